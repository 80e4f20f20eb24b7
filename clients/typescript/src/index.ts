import type { components, operations } from "./schema.js";

export type FeedData = components["schemas"]["FeedData"];
export type Post = components["schemas"]["Post"];
export type ApiError = components["schemas"]["Error"];
export type Warning = FeedData["warnings"][number];
export type FeedQuery = NonNullable<operations["readFeed"]["parameters"]["query"]>;
export type RefreshOrder = components["schemas"]["RefreshOrder"];
export type ReasonCode = NonNullable<ApiError["reasonCode"]>;

/** A refusal that people can act on: wait until the time, or take the plan that is named. */
export interface Blocked {
  readonly blocked: true;
  readonly reasonCode: ReasonCode;
  readonly message: string;
  readonly nextRefreshAllowedAt?: string;
  readonly upgradeHint?: string;
}

export interface Refreshed {
  readonly blocked: false;
  readonly feed: FeedData;
}

/** Any answer but success; `body` is missing when the answer was not the API's own (a proxy's page, say). */
export class FeedApiError extends Error {
  constructor(
    readonly status: number,
    readonly body?: ApiError,
    readonly retryAfterSeconds?: number,
  ) {
    super(body?.message ?? `HTTP ${status}`);
    this.name = "FeedApiError";
  }
}

export interface Options {
  /** The service's address, such as https://feeds.example */
  readonly baseUrl: string;
  /** A widget's embed token, for reads. Without it the reader's session is used. */
  readonly token?: string;
  /** Django's CSRF token, for what a session changes. */
  readonly csrfToken?: () => string | undefined;
  readonly fetch?: typeof fetch;
}

const API = "/v1/integrations/instagram";

export class FeedClient {
  readonly #options: Options;
  readonly #fetch: typeof fetch;

  constructor(options: Options) {
    this.#options = options;
    this.#fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
  }

  /** The instance's feed. Throws FeedApiError. */
  async feed(query: FeedQuery = {}, signal?: AbortSignal): Promise<FeedData> {
    const { token } = this.#options;
    const headers: Record<string, string> = token ? { Authorization: `Bearer ${token}` } : {};
    const credentials: RequestCredentials = token ? "omit" : "include";
    const answer = await this.#fetch(this.#url("feed", query), { headers, credentials, signal: signal ?? null });
    return (await read(answer)) as FeedData;
  }

  /** Fresh posts now, within the plan: a refusal is a result, everything else that fails throws FeedApiError. */
  async refresh(order: RefreshOrder, idempotencyKey?: string): Promise<Refreshed | Blocked> {
    const headers: Record<string, string> = idempotencyKey ? { "Idempotency-Key": idempotencyKey } : {};
    try {
      return { blocked: false, feed: (await this.#post("refresh", order, headers)) as FeedData };
    } catch (error) {
      const body = error instanceof FeedApiError ? error.body : undefined;
      if (body?.error !== "REFRESH_BLOCKED" || !body.reasonCode) throw error;
      const { reasonCode, message, nextRefreshAllowedAt, upgradeHint } = body;
      return {
        blocked: true,
        reasonCode,
        message,
        ...(nextRefreshAllowedAt === undefined ? {} : { nextRefreshAllowedAt }),
        ...(upgradeHint === undefined ? {} : { upgradeHint }),
      };
    }
  }

  /** Erase the account's posts and our access to it. Throws FeedApiError. */
  async disconnect(instanceId: string): Promise<void> {
    await this.#post("disconnect", { instanceId }, {});
  }

  /** Where to send the person to connect an account. */
  connectUrl(query: operations["connect"]["parameters"]["query"]): string {
    return this.#url("connect", query);
  }

  #url(name: string, query: object): string {
    const url = new URL(`${API}/${name}`, this.#options.baseUrl);
    for (const [key, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(key, String(value));
    }
    return url.href;
  }

  async #post(name: string, body: object, headers: Record<string, string>): Promise<unknown> {
    const csrf = this.#options.csrfToken?.();
    const answer = await this.#fetch(this.#url(name, {}), {
      method: "POST",
      credentials: "include",
      headers: { "Content-Type": "application/json", ...(csrf ? { "X-CSRFToken": csrf } : {}), ...headers },
      body: JSON.stringify(body),
    });
    return read(answer);
  }
}

async function read(answer: Response): Promise<unknown> {
  const body: unknown = await answer.json().catch(() => undefined);
  if (answer.ok && body !== undefined) return body;
  const seconds = Number(answer.headers.get("Retry-After") ?? Number.NaN);
  const isOurs = typeof body === "object" && body !== null && "error" in body;
  throw new FeedApiError(answer.status, isOurs ? (body as ApiError) : undefined, Number.isFinite(seconds) ? seconds : undefined);
}

import type { components, operations } from "./schema.js";

export type FeedData = components["schemas"]["FeedData"];
export type Post = components["schemas"]["Post"];
/** A picture or video of an album. */
export type Child = components["schemas"]["Child"];
export type Profile = components["schemas"]["Profile"];
export type PictureSizes = components["schemas"]["PictureSizes"];
export type Appearance = components["schemas"]["Appearance"];
export type ApiError = components["schemas"]["Error"];
export type Warning = FeedData["warnings"][number];
export type FeedQuery = NonNullable<operations["readFeed"]["parameters"]["query"]>;
export type RefreshOrder = components["schemas"]["RefreshOrder"];
export type ReasonCode = NonNullable<ApiError["reasonCode"]>;

/** A refused refresh: wait until `nextRefreshAllowedAt`, or upgrade to the plan named in `upgradeHint`. */
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

/** Any unsuccessful answer. `body` is missing when the answer didn't come from the API, but from a proxy, for example. */
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
  /** The service's base URL, such as https://feeds.example */
  readonly baseUrl: string;
  /** A widget's embed token, for reads. Without it, the client uses the browser's session. */
  readonly token?: string;
  /** Returns Django's CSRF token, which changes made with a session require. */
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

  /** Read the widget's feed. Throws FeedApiError. */
  async feed(query: FeedQuery = {}, signal?: AbortSignal): Promise<FeedData> {
    const { token } = this.#options;
    const headers: Record<string, string> = token ? { Authorization: `Bearer ${token}` } : {};
    const credentials: RequestCredentials = token ? "omit" : "include";
    const answer = await this.#fetch(this.#url("feed", query), { headers, credentials, signal: signal ?? null });
    return (await read(answer)) as FeedData;
  }

  /** Refresh the feed now, if the plan allows it. A refusal is a result; every other failure throws FeedApiError. */
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

  /** Disconnect the account: delete its posts and the service's access to it. Throws FeedApiError. */
  async disconnect(instanceId: string): Promise<void> {
    await this.#post("disconnect", { instanceId }, {});
  }

  /** The URL to send the user to, to connect an account. */
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

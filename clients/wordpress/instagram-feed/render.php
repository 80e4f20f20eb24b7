<?php
/**
 * Renders <instagram-feed> for the block and the shortcode, and loads its script on pages where it is used.
 */

namespace InstagramFeedWidget;

defined( 'ABSPATH' ) || exit;

/** The attributes of the element that a block or shortcode may set. The shortcode uses these names, or with "_" for "-". */
const ATTRIBUTES = array(
	'token', 'max-posts', 'filter', 'reserve', 'lang', 'texts', 'on-error', 'video-notice',
	'layout', 'columns', 'columns-narrow', 'gap', 'radius', 'tile-ratio', 'page-size',
	'header', 'header-text', 'follow-button', 'captions', 'caption-length', 'show-date', 'click', 'theme',
);

/** What WordPress shows for [instagram_feed token="…"]. WordPress passes "" if there are no attributes. */
function render_shortcode( $attributes ): string {
	$named = array();
	foreach ( (array) $attributes as $name => $value ) {
		$named[ str_replace( '_', '-', strtolower( (string) $name ) ) ] = $value;
	}
	$defaults = array_fill_keys( array_merge( ATTRIBUTES, array( 'url' ) ), '' );
	return render( shortcode_atts( $defaults, $named, 'instagram_feed' ) );
}

/** What WordPress shows for the block. Its attributes have names in camelCase. */
function render_block( array $attributes ): string {
	$named = array();
	foreach ( $attributes as $name => $value ) {
		$named[ strtolower( preg_replace( '/[A-Z]/', '-$0', (string) $name ) ) ] = $value;
	}
	$html = render( $named );
	return '' === $html ? '' : '<div ' . get_block_wrapper_attributes() . '>' . $html . '</div>';
}

/** The element. Instead of it, people who may edit posts see what is missing; visitors see nothing. */
function render( array $attributes ): string {
	$values = array();
	foreach ( ATTRIBUTES as $name ) {
		$value = $attributes[ $name ] ?? '';
		if ( is_scalar( $value ) && ! is_bool( $value ) && '' !== trim( (string) $value ) ) {
			$values[ $name ] = trim( (string) $value );
		}
	}
	if ( ! isset( $values['token'] ) ) {
		return problem( __( 'The token is missing. Copy it from the page "Publish" of your widget.', 'instagram-feed' ) );
	}
	$url = service_url( $attributes['url'] ?? '' );
	if ( '' === $url ) {
		return problem( __( 'The URL of the service is missing or can\'t be used here. Ask an administrator to define INSTAGRAM_FEED_URL in wp-config.php, such as https://feeds.example', 'instagram-feed' ) );
	}
	// One handle for all feeds: WordPress then adds the script once. Scripts of other services would do nothing, as
	// the first one defines the element for all; each element names its own service.
	wp_enqueue_script(
		'instagram-feed-widget',
		$url . '/embed/widget.js',
		array(),
		null, // phpcs:ignore WordPress.WP.EnqueuedResourceParameters -- the service sets how long the script is cached.
		array( 'strategy' => 'async', 'in_footer' => true )
	);
	$html = '<instagram-feed base-url="' . escaped( $url ) . '"';
	foreach ( $values as $name => $value ) {
		$html .= ' ' . $name . '="' . escaped( $value ) . '"';
	}
	return $html . '></instagram-feed>';
}

/** Brackets are escaped as well, because WordPress runs shortcodes inside the HTML of blocks. */
function escaped( string $value ): string {
	return str_replace( array( '[', ']' ), array( '&#91;', '&#93;' ), esc_attr( $value ) );
}

/**
 * The URL of the service, without a slash at its end; "" if there is none.
 *
 * The page runs a script from this URL. So the constant wins, and without it an attribute counts only if the author of
 * the post may publish scripts anyway.
 */
function service_url( $attribute ): string {
	if ( defined( 'INSTAGRAM_FEED_URL' ) ) {
		return web_url( constant( 'INSTAGRAM_FEED_URL' ) );
	}
	$post = get_post();
	return $post && author_can( $post, 'unfiltered_html' ) ? web_url( $attribute ) : '';
}

/** The URL without a slash at its end if it is one of http or https without a name, query or fragment, else "". */
function web_url( $value ): string {
	$url   = is_string( $value ) ? rtrim( trim( $value ), '/' ) : '';
	$parts = wp_parse_url( $url );
	if ( ! $parts || ! isset( $parts['host'], $parts['scheme'] ) || preg_match( '/[\s"\'<>\\\\]/', $url ) ) {
		return '';
	}
	$is_web = in_array( strtolower( $parts['scheme'] ), array( 'http', 'https' ), true );
	return $is_web && ! array_diff_key( $parts, array_flip( array( 'scheme', 'host', 'port', 'path' ) ) ) ? $url : '';
}

function problem( string $text ): string {
	return current_user_can( 'edit_posts' ) ? '<p>' . esc_html( 'Instagram feed: ' . $text ) . '</p>' : '';
}

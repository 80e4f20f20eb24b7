<?php
// The plugin with small versions of the WordPress functions that it calls. Reads a page as JSON: what is defined, who
// looks and who wrote it, and the shortcodes and blocks on it. Prints what they render and the scripts that are loaded.
// php wordpress.php PLUGIN_FOLDER < page.json

error_reporting( E_ALL );
set_error_handler(
	function ( $level, $message, $file, $line ) {
		throw new ErrorException( $message, 0, $level, $file, $line );
	}
);
define( 'ABSPATH', __DIR__ );
$page    = json_decode( file_get_contents( 'php://stdin' ), true );
$actions = $shortcodes = $blocks = $scripts = array();

function add_action( $name, $callback ) {
	$GLOBALS['actions'][ $name ][] = $callback;
}
function add_shortcode( $tag, $callback ) {
	$GLOBALS['shortcodes'][ $tag ] = $callback;
}
function register_block_type( $folder, $settings ) {
	$block = json_decode( file_get_contents( "$folder/block.json" ), true );
	$GLOBALS['blocks'][ $block['name'] ] = array( $block, $settings['render_callback'] );
}
function shortcode_atts( $pairs, $atts, $tag ) {
	return array_merge( $pairs, array_intersect_key( $atts, $pairs ) );
}
// WordPress ignores a second call with the same handle.
function wp_enqueue_script( $handle, $src, $needed, $version, $options ) {
	$GLOBALS['scripts'] += array( $handle => array( 'src' => $src, 'version' => $version ) + $options );
}
function get_block_wrapper_attributes() {
	return 'class="wp-block-instagram-feed-feed"';
}
function get_post() {
	return $GLOBALS['page']['author'] ? (object) array( 'post_author' => $GLOBALS['page']['author'] ) : null;
}
function author_can( $post, $right ) {
	return 'administrator' === $post->post_author && 'unfiltered_html' === $right;
}
function current_user_can( $right ) {
	return 'edit_posts' === $right && 'visitor' !== $GLOBALS['page']['viewer'];
}
function wp_parse_url( $url ) {
	return parse_url( $url );
}
function esc_attr( $text ) {
	return htmlspecialchars( $text, ENT_QUOTES, 'UTF-8' );
}
function esc_html( $text ) {
	return htmlspecialchars( $text, ENT_QUOTES, 'UTF-8' );
}
function __( $text, $domain ) {
	return $text;
}

if ( null !== $page['constant'] ) {
	define( 'INSTAGRAM_FEED_URL', $page['constant'] );
}
require $argv[1] . '/instagram-feed.php';
array_map( 'call_user_func', $actions['init'] );

$html = array();
foreach ( $page['items'] as list( $name, $attributes ) ) {
	if ( isset( $blocks[ $name ] ) ) {
		// WordPress fills in the defaults of block.json.
		list( $block, $render ) = $blocks[ $name ];
		$html[] = $render( $attributes + array_column( array_map( null, array_keys( $block['attributes'] ), array_column( $block['attributes'], 'default' ) ), 1, 0 ) );
	} else {
		$html[] = $shortcodes[ $name ]( $attributes );
	}
}
echo json_encode( array( 'html' => $html, 'scripts' => $scripts ) );

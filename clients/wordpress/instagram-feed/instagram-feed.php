<?php
/**
 * Plugin Name:       Instagram Feed Widget
 * Description:       Shows a widget of your Instagram feed service, as a block and as the shortcode [instagram_feed].
 * Version:           0.1.0
 * Requires at least: 6.3
 * Requires PHP:      7.4
 * Text Domain:       instagram-feed
 * Update URI:        false
 *
 * The Update URI keeps WordPress from replacing this plugin with another one of the same folder name on wordpress.org.
 */

namespace InstagramFeedWidget;

defined( 'ABSPATH' ) || exit;

require_once __DIR__ . '/render.php';

add_action(
	'init',
	function () {
		register_block_type( __DIR__, array( 'render_callback' => __NAMESPACE__ . '\render_block' ) );
		add_shortcode( 'instagram_feed', __NAMESPACE__ . '\render_shortcode' );
	}
);

/**
 * The block in the editor: fields for its attributes. block.json describes the block, and render.php draws it.
 * It needs no build step.
 */
( ( wp ) => {
	'use strict';

	const { blocks, element, blockEditor, components, i18n } = wp;
	const { createElement: make, Fragment } = element;
	const { InspectorControls, useBlockProps } = blockEditor;
	const { PanelBody, Placeholder, SelectControl, TextControl } = components;
	const { __ } = i18n;

	const AS_SAVED = __( 'As saved in the widget’s editor', 'instagram-feed' );
	const ON_OFF = { on: __( 'On', 'instagram-feed' ), off: __( 'Off', 'instagram-feed' ) };

	// For each attribute: its label, then its choices or, for a number, its limits, then a sentence of help.
	const LOOK = {
		layout: [ __( 'Layout', 'instagram-feed' ), {
			grid: __( 'Grid', 'instagram-feed' ),
			carousel: __( 'Carousel', 'instagram-feed' ),
			masonry: __( 'Masonry', 'instagram-feed' ),
		} ],
		columns: [ __( 'Columns', 'instagram-feed' ), [ 1, 12 ], __( 'Where the feed is at least 900 pixels wide.', 'instagram-feed' ) ],
		columnsNarrow: [ __( 'Columns where it is narrower', 'instagram-feed' ), [ 1, 12 ] ],
		gap: [ __( 'Gap in pixels', 'instagram-feed' ), [ 0, 60 ] ],
		radius: [ __( 'Corner radius in pixels', 'instagram-feed' ), [ 0, 60 ] ],
		tileRatio: [ __( 'Shape of the tiles', 'instagram-feed' ), {
			'1:1': '1:1',
			'4:5': '4:5',
			original: __( 'Original', 'instagram-feed' ),
		} ],
		pageSize: [ __( 'Posts before “Show more posts”', 'instagram-feed' ), [ 0, 48 ], __( '0 shows all posts.', 'instagram-feed' ) ],
		header: [ __( 'Header', 'instagram-feed' ), ON_OFF ],
		headerText: [ __( 'Text in the header', 'instagram-feed' ) ],
		followButton: [ __( 'Follow button', 'instagram-feed' ), ON_OFF ],
		captions: [ __( 'Captions', 'instagram-feed' ), {
			none: __( 'None', 'instagram-feed' ),
			hover: __( 'On hover and keyboard focus', 'instagram-feed' ),
			below: __( 'Below the picture', 'instagram-feed' ),
		} ],
		captionLength: [ __( 'Length of captions in characters', 'instagram-feed' ), [ 0, 2200 ], __( '0 shows whole captions.', 'instagram-feed' ) ],
		showDate: [ __( 'Date', 'instagram-feed' ), ON_OFF ],
		click: [ __( 'A click on a post', 'instagram-feed' ), {
			lightbox: __( 'Opens it large', 'instagram-feed' ),
			instagram: __( 'Opens it on Instagram', 'instagram-feed' ),
			none: __( 'Does nothing', 'instagram-feed' ),
		} ],
		theme: [ __( 'Theme', 'instagram-feed' ), {
			auto: __( 'By the text colour of the page', 'instagram-feed' ),
			light: __( 'Light', 'instagram-feed' ),
			dark: __( 'Dark', 'instagram-feed' ),
		} ],
	};
	const MORE = {
		url: [ __( 'URL of the service', 'instagram-feed' ), null, __( 'Leave this empty if wp-config.php defines INSTAGRAM_FEED_URL.', 'instagram-feed' ) ],
		maxPosts: [ __( 'Number of posts', 'instagram-feed' ), [ 1, 48 ] ],
		filter: [ __( 'Posts', 'instagram-feed' ), {
			all: __( 'All', 'instagram-feed' ),
			image: __( 'Pictures', 'instagram-feed' ),
			video: __( 'Videos', 'instagram-feed' ),
		} ],
		reserve: [ __( 'Reserved space', 'instagram-feed' ), null, __( 'From the embed code, such as “12 profile”.', 'instagram-feed' ) ],
		lang: [ __( 'Language', 'instagram-feed' ), null, __( 'A code, such as “de”. Otherwise, the language of the page.', 'instagram-feed' ) ],
		texts: [ __( 'Own texts', 'instagram-feed' ), null, __( 'A JSON object, such as {"follow": "Join us"}.', 'instagram-feed' ) ],
		onError: [ __( 'Without posts', 'instagram-feed' ), { hide: __( 'Show nothing', 'instagram-feed' ) }, '', __( 'Say so in a sentence', 'instagram-feed' ) ],
		videoNotice: [ __( 'Text before the first video plays', 'instagram-feed' ), null, __( '“off” for none.', 'instagram-feed' ) ],
	};

	function field( name, [ label, values, help, unset = AS_SAVED ], { attributes, setAttributes } ) {
		const common = {
			key: name,
			label,
			help,
			value: attributes[ name ] || '',
			onChange: ( value ) => setAttributes( { [ name ]: value } ),
			__nextHasNoMarginBottom: true,
			__next40pxDefaultSize: true,
		};
		if ( Array.isArray( values ) ) {
			const [ min, max ] = values;
			return make( TextControl, { ...common, type: 'number', min, max, placeholder: unset } );
		}
		if ( ! values ) {
			return make( TextControl, common );
		}
		const choices = Object.entries( values ).map( ( [ value, text ] ) => ( { value, label: text } ) );
		return make( SelectControl, { ...common, options: [ { value: '', label: unset }, ...choices ] } );
	}

	function panel( title, fields, props, initialOpen ) {
		return make( PanelBody, { title, initialOpen }, Object.entries( fields ).map( ( [ name, about ] ) => field( name, about, props ) ) );
	}

	function Edit( props ) {
		const { token } = props.attributes;
		const label = __( 'Instagram Feed', 'instagram-feed' );
		const instructions = token
			? __( 'The feed appears here on the page. Choose in the sidebar how it looks.', 'instagram-feed' )
			: __( 'Paste the token from the page “Publish” of your widget.', 'instagram-feed' );
		return make(
			Fragment,
			null,
			make(
				InspectorControls,
				null,
				panel( __( 'Look', 'instagram-feed' ), LOOK, props, true ),
				panel( __( 'Feed', 'instagram-feed' ), MORE, props, false )
			),
			make(
				'div',
				useBlockProps(),
				make(
					Placeholder,
					{ icon: 'instagram', label, instructions },
					field( 'token', [ __( 'Token', 'instagram-feed' ) ], props )
				)
			)
		);
	}

	// The rest comes from block.json. WordPress draws the block on the server, so nothing is saved but its attributes.
	blocks.registerBlockType( 'instagram-feed/feed', { edit: Edit, save: () => null } );
} )( window.wp );

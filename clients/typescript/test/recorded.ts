// What the API answered, for the type checker. Written by the tests with UPDATE_RECORDED=1.

import type { ApiError, FeedData } from "../src/index.js";

export const feed: FeedData = {
  "posts": [
    {
      "id": "17900000000000001",
      "mediaType": "IMAGE",
      "permalink": "https://www.instagram.com/p/A1/",
      "timestamp": "2026-11-20T22:00:00Z",
      "caption": "Post 1",
      "altText": "A loaf",
      "username": "acme.bakery",
      "mediaUrl": "https://scontent.cdninstagram.com/v/1.jpg",
      "thumbnailUrl": "https://scontent.cdninstagram.com/v/1.jpg"
    },
    {
      "id": "17900000000000002",
      "mediaType": "VIDEO",
      "permalink": "https://www.instagram.com/reel/A2/",
      "timestamp": "2026-11-20T21:00:00Z",
      "caption": "Post 2",
      "thumbnailUrl": "https://scontent.cdninstagram.com/v/2.jpg",
      "mediaUrl": "https://video.cdninstagram.com/v/2.mp4",
      "isReel": true
    },
    {
      "id": "17900000000000003",
      "mediaType": "CAROUSEL_ALBUM",
      "permalink": "https://www.instagram.com/p/A3/",
      "timestamp": "2026-11-20T20:00:00Z",
      "caption": "Post 3",
      "thumbnailUrl": "https://scontent.cdninstagram.com/v/3.jpg",
      "mediaUrl": "https://scontent.cdninstagram.com/v/3.jpg",
      "children": [
        {
          "id": "9",
          "mediaType": "IMAGE",
          "mediaUrl": "https://scontent.cdninstagram.com/c.jpg",
          "thumbnailUrl": "https://scontent.cdninstagram.com/c.jpg"
        }
      ]
    }
  ],
  "lastUpdated": "2026-11-23T12:20:00Z",
  "stale": false,
  "nextRefreshAllowedAt": "2026-11-23T13:00:00Z",
  "sourceEcho": {
    "type": "profile",
    "value": "acme.bakery"
  },
  "profile": {
    "username": "acme.bakery"
  },
  "warnings": [],
  "appearance": {
    "layout": "masonry",
    "columns": {
      "wide": 4,
      "narrow": 2
    },
    "gap": 10,
    "radius": 10,
    "tileRatio": "1:1",
    "header": true,
    "headerText": "Fresh every day",
    "followButton": false,
    "captions": "hover",
    "captionLength": 150,
    "showDate": false,
    "click": "lightbox",
    "theme": "auto",
    "pageSize": 0
  }
};

export const memberFeed: FeedData = {
  "posts": [
    {
      "id": "17900000000000001",
      "mediaType": "IMAGE",
      "permalink": "https://www.instagram.com/p/A1/",
      "timestamp": "2026-11-20T22:00:00Z",
      "caption": "Post 1",
      "altText": "A loaf",
      "username": "acme.bakery",
      "mediaUrl": "https://scontent.cdninstagram.com/v/1.jpg",
      "thumbnailUrl": "https://scontent.cdninstagram.com/v/1.jpg"
    },
    {
      "id": "17900000000000002",
      "mediaType": "VIDEO",
      "permalink": "https://www.instagram.com/reel/A2/",
      "timestamp": "2026-11-20T21:00:00Z",
      "caption": "Post 2",
      "thumbnailUrl": "https://scontent.cdninstagram.com/v/2.jpg",
      "mediaUrl": "https://video.cdninstagram.com/v/2.mp4",
      "isReel": true
    },
    {
      "id": "17900000000000003",
      "mediaType": "CAROUSEL_ALBUM",
      "permalink": "https://www.instagram.com/p/A3/",
      "timestamp": "2026-11-20T20:00:00Z",
      "caption": "Post 3",
      "thumbnailUrl": "https://scontent.cdninstagram.com/v/3.jpg",
      "mediaUrl": "https://scontent.cdninstagram.com/v/3.jpg",
      "children": [
        {
          "id": "9",
          "mediaType": "IMAGE",
          "mediaUrl": "https://scontent.cdninstagram.com/c.jpg",
          "thumbnailUrl": "https://scontent.cdninstagram.com/c.jpg"
        }
      ]
    }
  ],
  "lastUpdated": "2026-11-23T12:20:00Z",
  "stale": false,
  "nextRefreshAllowedAt": "2026-11-23T18:38:00Z",
  "sourceEcho": {
    "type": "profile",
    "value": "acme.bakery"
  },
  "profile": {
    "username": "acme.bakery"
  },
  "warnings": [],
  "refresh": {
    "remainingToday": 5,
    "remainingThisHour": 0,
    "forcedAllowedAt": "2026-11-23T13:00:00Z",
    "reasonCode": "QUOTA_EXCEEDED",
    "upgradeHint": "Pro"
  },
  "appearance": {
    "layout": "masonry",
    "columns": {
      "wide": 4,
      "narrow": 2
    },
    "gap": 10,
    "radius": 10,
    "tileRatio": "1:1",
    "header": true,
    "headerText": "Fresh every day",
    "followButton": false,
    "captions": "hover",
    "captionLength": 150,
    "showDate": false,
    "click": "lightbox",
    "theme": "auto",
    "pageSize": 0
  }
};

export const blocked: ApiError = {
  "error": "REFRESH_BLOCKED",
  "message": "All refreshes in this plan are used up for now.",
  "reasonCode": "QUOTA_EXCEEDED",
  "nextRefreshAllowedAt": "2026-11-23T13:00:00Z",
  "upgradeHint": "Pro",
  "requestId": "recorded"
};

export const error: ApiError = {
  "error": "INVALID_REQUEST",
  "message": "maxPosts: Must be a whole number from 1 to 48.",
  "fields": {
    "maxPosts": [
      "Must be a whole number from 1 to 48."
    ]
  },
  "requestId": "recorded"
};

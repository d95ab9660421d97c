// Package web holds the pages that the program serves: one HTML file, its
// modules and stylesheet, and the few libraries they use. Nothing is built and
// nothing is loaded from elsewhere.
package web

import "embed"

// FS holds index.html, which belongs at "/", and everything it loads, which
// belongs under "/assets/": app.js at "/assets/app.js", and so on.
//
//go:embed index.html style.css favicon.svg *.js vendor
var FS embed.FS

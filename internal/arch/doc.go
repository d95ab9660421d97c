// Package arch holds the test that keeps imports running one way.
package arch

// Package roads knows how long it takes to drive from one node of a road network to
// another: exactly, from memory, in less time than a microsecond.
package roads

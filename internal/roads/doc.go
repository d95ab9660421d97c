// Package roads knows how long it takes to drive from one node of a road network to
// another: exactly, from memory, in a fraction of a microsecond.
//
// Preparing grows with the width of the town, that is with the number of roads that
// have to be closed to part it: Manhattan (12,320 nodes, 14 roads) takes 0.3 s and
// 7 MB; a full grid of 90,000 junctions, which is wider than real towns of that size,
// 40 s and 240 MB on two cores. OpenStreetMap data take four times that memory: one
// number for each direction, of time and distance. Beyond some 200,000 junctions an
// OSRM server (internal/osrm) is the better choice.
package roads

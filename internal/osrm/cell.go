package osrm

import (
	"iter"
	"math"
	"strconv"

	"github.com/spotpool/spotpool/internal/geo"
)

// cell is a point in hundred-thousandths of a degree.
type cell struct{ lat, lng int32 }

const perDegree = 1e5

// pair is where a leg begins and ends.
type pair struct{ from, to cell }

func cellOf(p geo.Point) cell {
	return cell{int32(math.Round(p.Lat * perDegree)), int32(math.Round(p.Lng * perDegree))}
}

func (c cell) point() geo.Point {
	return geo.Point{Lat: float64(c.lat) / perDegree, Lng: float64(c.lng) / perDegree}
}

// append appends the point as OSRM wants it: longitude,latitude.
func (c cell) append(to []byte) []byte {
	to = strconv.AppendFloat(to, float64(c.lng)/perDegree, 'f', 5, 64)
	to = append(to, ',')
	return strconv.AppendFloat(to, float64(c.lat)/perDegree, 'f', 5, 64)
}

// cells returns where the points are located, each once.
func (t *Travel) cells(points []geo.Point) []cell {
	cells := make([]cell, 0, len(points))
	seen := make(map[cell]bool, len(points))
	for _, p := range points {
		if c := cellOf(t.Locate(p).Point); !seen[c] {
			seen[c] = true
			cells = append(cells, c)
		}
	}
	return cells
}

// span is a range of places in a list.
type span struct{ begin, end int }

// tiles cuts a matrix into tables with at most size rows and columns together.
func tiles(rows, columns, size int) iter.Seq2[span, span] {
	height := min(rows, max(size/2, size-columns))
	width := min(columns, size-height)
	return func(yield func(span, span) bool) {
		if rows == 0 || columns == 0 {
			return
		}
		for r := 0; r < rows; r += height {
			for c := 0; c < columns; c += width {
				if !yield(span{r, min(r+height, rows)}, span{c, min(c+width, columns)}) {
					return
				}
			}
		}
	}
}

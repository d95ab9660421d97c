package roads

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/spotpool/spotpool/internal/geo"
)

// visitor is told of the nodes and ways of OpenStreetMap data. What it is not told of
// it leaves nil.
type visitor struct {
	node func(id int64, at geo.Point)
	way  func(refs []int64, tags map[string]string)
}

// block is a PrimitiveBlock that is being read.
type block struct {
	visitor
	strings     []string
	granularity int64
	lat, lng    int64 // what coordinates are counted from, in nanodegrees
}

var (
	errUneven = errors.New("as many of one thing as of another are wanted, and are not there")
	errString = errors.New("a string is named that is not there")
)

// visitBlock tells v of everything in a PrimitiveBlock.
func visitBlock(data []byte, v visitor) error {
	b := block{visitor: v, granularity: 100}
	var groups [][]byte
	err := eachField(data, func(f field) error {
		switch f.number {
		case 1:
			return eachField(f.bytes, func(s field) error {
				b.strings = append(b.strings, string(s.bytes))
				return nil
			})
		case 2:
			groups = append(groups, f.bytes)
		case 17:
			b.granularity = int64(f.value)
		case 19:
			b.lat = int64(f.value)
		case 20:
			b.lng = int64(f.value)
		}
		return nil
	})
	for _, group := range groups {
		if err == nil {
			err = eachField(group, b.entity)
		}
	}
	return err
}

// entity reads a field of a PrimitiveGroup.
func (b *block) entity(f field) error {
	switch {
	case f.number == 1 && b.node != nil:
		return b.plainNode(f.bytes)
	case f.number == 2 && b.node != nil:
		return b.denseNodes(f.bytes)
	case f.number == 3 && b.way != nil:
		return b.oneWay(f.bytes)
	}
	return nil
}

// point scales coordinates to degrees.
func (b *block) point(lat, lng int64) geo.Point {
	return geo.Point{Lat: float64(b.lat+b.granularity*lat) / 1e9, Lng: float64(b.lng+b.granularity*lng) / 1e9}
}

func (b *block) plainNode(message []byte) error {
	var id, lat, lng int64
	err := eachField(message, func(f field) error {
		switch f.number {
		case 1:
			id = protowire.DecodeZigZag(f.value)
		case 8:
			lat = protowire.DecodeZigZag(f.value)
		case 9:
			lng = protowire.DecodeZigZag(f.value)
		}
		return nil
	})
	if err == nil {
		b.node(id, b.point(lat, lng))
	}
	return err
}

// denseNodes reads nodes column by column, each number as the difference to the last.
func (b *block) denseNodes(message []byte) error {
	columns, err := lists(message, 1, 8, 9)
	if err != nil {
		return err
	}
	ids, lats, lngs := columns[0], columns[1], columns[2]
	if len(lats) != len(ids) || len(lngs) != len(ids) {
		return errUneven
	}
	var id, lat, lng int64
	for i := range ids {
		id += protowire.DecodeZigZag(ids[i])
		lat += protowire.DecodeZigZag(lats[i])
		lng += protowire.DecodeZigZag(lngs[i])
		b.node(id, b.point(lat, lng))
	}
	return nil
}

func (b *block) oneWay(message []byte) error {
	columns, err := lists(message, 2, 3, 8)
	if err != nil {
		return err
	}
	keys, values := columns[0], columns[1]
	if len(keys) != len(values) {
		return errUneven
	}
	tags := make(map[string]string, len(keys))
	for i := range keys {
		if max(keys[i], values[i]) >= uint64(len(b.strings)) {
			return errString
		}
		tags[b.strings[keys[i]]] = b.strings[values[i]]
	}
	refs := make([]int64, len(columns[2]))
	var ref int64
	for i, step := range columns[2] {
		ref += protowire.DecodeZigZag(step)
		refs[i] = ref
	}
	b.way(refs, tags)
	return nil
}

// lists returns the numbers of some repeated fields of a message.
func lists(message []byte, fields ...protowire.Number) ([][]uint64, error) {
	all := make([][]uint64, len(fields))
	err := eachField(message, func(f field) (err error) {
		for i, number := range fields {
			if f.number == number {
				all[i], err = f.append(all[i])
			}
		}
		return err
	})
	return all, err
}

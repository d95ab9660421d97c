package roads

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/spotpool/spotpool/internal/geo"
)

// message writes protobuf fields.
type message []byte

func (m message) number(field protowire.Number, v uint64) message {
	return protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), v)
}

func (m message) bytes(field protowire.Number, b []byte) message {
	return protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), b)
}

func (m message) zigzag(field protowire.Number, v int64) message {
	return m.number(field, protowire.EncodeZigZag(v))
}

// deltas writes numbers as the differences from one to the next.
func (m message) deltas(field protowire.Number, numbers ...int64) message {
	var packed []byte
	last := int64(0)
	for _, n := range numbers {
		packed = protowire.AppendVarint(packed, protowire.EncodeZigZag(n-last))
		last = n
	}
	return m.bytes(field, packed)
}

// fileBlock is a block of a PBF file.
func fileBlock(kind string, blob []byte) []byte {
	head := message{}.bytes(1, []byte(kind)).number(3, uint64(len(blob)))
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(len(head))), head...), blob...)
}

func plain(data []byte) []byte { return message{}.bytes(1, data) }

func packed(data []byte) []byte {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, _ = z.Write(data)
	_ = z.Close()
	return message{}.number(2, uint64(len(data))).bytes(3, b.Bytes())
}

var header = fileBlock("OSMHeader", plain(message{}.bytes(4, []byte("OsmSchema-V0.6")).bytes(4, []byte("DenseNodes"))))

// nodesBlock holds nodes 1, 2, 3 … at hundredths of a degree, the last one by itself.
func nodesBlock(points ...[2]int64) []byte {
	const hundredth = 100_000 // times the granularity of 100 nanodegrees
	var ids, lats, lngs []int64
	last := len(points) - 1
	for i, p := range points[:last] {
		ids, lats, lngs = append(ids, int64(i+1)), append(lats, p[0]*hundredth), append(lngs, p[1]*hundredth)
	}
	dense := message{}.deltas(1, ids...).deltas(8, lats...).deltas(9, lngs...)
	node := message{}.zigzag(1, int64(last+1)).zigzag(8, points[last][0]*hundredth).zigzag(9, points[last][1]*hundredth)
	group := message{}.bytes(2, dense).bytes(1, node)
	return message{}.bytes(1, message{}.bytes(1, nil)).bytes(2, group)
}

// street is a way: its nodes and its tags, as key=value.
type street struct {
	refs []int64
	tags string
}

func waysBlock(ways ...street) []byte {
	table, group := message{}.bytes(1, nil), message{}
	next := uint64(1)
	for _, w := range ways {
		var keys, values []byte
		for _, tag := range strings.Fields(w.tags) {
			key, value, _ := strings.Cut(tag, "=")
			table = table.bytes(1, []byte(key)).bytes(1, []byte(value))
			keys, values = protowire.AppendVarint(keys, next), protowire.AppendVarint(values, next+1)
			next += 2
		}
		group = group.bytes(3, message{}.number(1, 7).bytes(2, keys).bytes(3, values).deltas(8, w.refs...))
	}
	return message{}.bytes(1, table).bytes(2, group)
}

// A block of four corners, one-way round along three of its sides; a farm track, a
// private road, a footpath, and a dead end that can only be driven into.
var (
	corners = nodesBlock([2]int64{4000, 0}, [2]int64{4000, 1}, [2]int64{4001, 1}, [2]int64{4001, 0}, [2]int64{4002, 0}, [2]int64{4002, 1})
	town    = []street{
		{[]int64{1, 2, 3, 4}, "highway=primary oneway=yes maxspeed=50"},
		{[]int64{4, 1}, "highway=residential"},
		{[]int64{3, 1}, "highway=footway"},
		{[]int64{4, 2}, "highway=service access=private"},
		{[]int64{4, 5}, "highway=service access=no motorcar=yes oneway=-1"},
		{[]int64{4, 6, 99}, "highway=tertiary"},
	}
	townPBF = bytes.Join([][]byte{header, fileBlock("OSMData", packed(corners)), fileBlock("OSMData", plain(waysBlock(town...)))}, nil)
)

func TestReadPBF(t *testing.T) {
	path := filepath.Join(t.TempDir(), "town.osm.pbf")
	if err := os.WriteFile(path, townPBF, 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := Open(t.Context(), path, 10)
	if err != nil {
		t.Fatal(err)
	}
	// The corners and node 6, to and from which a road leads; node 5 leads in only.
	if n.Nodes() != 5 || n.Outside() != 1 {
		t.Fatalf("%d nodes, %d outside, want 5 and 1", n.Nodes(), n.Outside())
	}
	at := func(lat, lng float64) geo.Spot { return n.Locate(geo.Point{Lat: lat, Lng: lng}) }
	one, two, three, four := at(40, 0), at(40, 0.01), at(40.01, 0.01), at(40.01, 0)
	side := geo.Distance(one.Point, four.Point)
	across := geo.Distance(one.Point, two.Point)
	for _, c := range []struct {
		name          string
		from, to      geo.Spot
		metres, speed float64
	}{
		{"along the one-way street", one, two, across, 50 * 0.8 / 3.6},
		{"by the street without a limit", four, one, side, 25 / 3.6},
	} {
		leg := n.Leg(c.from, c.to)
		if math.Abs(leg.Metres-c.metres) > 0.1 || math.Abs(leg.Duration.Seconds()-c.metres/c.speed) > 0.002 {
			t.Errorf("%s: %v, want %.1f m at %.1f m/s", c.name, leg, c.metres, c.speed)
		}
	}
	if path := n.Path(two, one); len(path) != 4 || path[1] != three || path[2] != four {
		t.Errorf("against the one-way street: %v, want the way round", path)
	}
	if pace := n.Pace(); math.Abs(pace-50*0.8/3.6) > 0.01 {
		t.Errorf("pace %v, want that of the main road", pace)
	}
}

func TestReadPBFRefuses(t *testing.T) {
	data := func(block []byte) []byte { return append(bytes.Clone(header), fileBlock("OSMData", block)...) }
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"nothing":                {nil, "no road in it may be driven"},
		"only a header":          {header, "no road in it may be driven"},
		"a text":                 {[]byte("<osm version='0.6'>"), "more than 65536 bytes long"},
		"no header":              {fileBlock("OSMData", plain(nil)), "does not begin with an OSMHeader"},
		"an unknown feature":     {fileBlock("OSMHeader", plain(message{}.bytes(4, []byte("LocationsOnWays2")))), `"LocationsOnWays2"`},
		"cut off in a length":    {append(bytes.Clone(header), 0, 0), "cut off"},
		"cut off in a block":     {townPBF[:len(townPBF)-3], "cut off"},
		"a huge block":           {append(bytes.Clone(header), fileBlockOfSize(1<<62)...), "more than 33554432 bytes long"},
		"a negative size":        {append(bytes.Clone(header), fileBlockOfSize(math.MaxUint64)...), "more than 33554432 bytes long"},
		"another packing":        {data(message{}.bytes(4, []byte("lzma"))), "neither plain nor packed by zlib"},
		"a damaged packing":      {data(message{}.bytes(3, []byte("zzz"))), "zlib: invalid header"},
		"a damaged message":      {data(plain([]byte{0xff})), "EOF"},
		"a string out of range":  {data(plain(message{}.bytes(2, message{}.bytes(3, message{}.bytes(2, []byte{9}).bytes(3, []byte{9}))))), errString.Error()},
		"a key without a value":  {data(plain(message{}.bytes(2, message{}.bytes(3, message{}.bytes(2, []byte{0}))))), errUneven.Error()},
		"nodes without a place":  {data(plain(message{}.bytes(2, message{}.bytes(2, message{}.deltas(1, 5))))), errUneven.Error()},
		"roads to the antipodes": {fileOf(header, nodesBlock([2]int64{0, 0}, [2]int64{0, 9000}), waysBlock(street{[]int64{1, 2}, "highway=service"})), "nodes 1 and 2 of a road are 10008 km apart"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readOSM(t.Context(), bytes.NewReader(c.file))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func fileOf(head []byte, blocks ...[]byte) []byte {
	file := bytes.Clone(head)
	for _, b := range blocks {
		file = append(file, fileBlock("OSMData", plain(b))...)
	}
	return file
}

func fileBlockOfSize(size uint64) []byte {
	head := message{}.bytes(1, []byte("OSMData")).number(3, size)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(head))), head...)
}

func TestReadPBFStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := readOSM(ctx, bytes.NewReader(townPBF)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

// A long street gets nodes on the way, and an end on it at each junction.
func TestLongStreets(t *testing.T) {
	file := fileOf(header,
		nodesBlock([2]int64{0, 0}, [2]int64{0, 1}, [2]int64{0, 2}, [2]int64{0, 3}),
		waysBlock(street{[]int64{1, 2, 3, 4}, "highway=trunk"}))
	n, err := readOSM(t.Context(), bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if path := n.Path(n.Node(0), n.Node(3)); len(path) != 4 {
		t.Errorf("path %v, want all four nodes, each more than %d m from the last", path, apart)
	}
	if leg := n.Leg(n.Node(0), n.Node(3)); leg.Duration < 141*time.Second || leg.Duration > 142*time.Second {
		t.Errorf("%v, want 3.3 km at 85 km/h", leg)
	}
}

func TestDrive(t *testing.T) {
	both, none := driving{speed: 25 / 3.6, onward: true, back: true}, driving{}
	at := func(kmh float64) driving { return driving{speed: kmh / 3.6, onward: true, back: true} }
	for tags, want := range map[string]driving{
		"highway=residential":                                      both,
		"highway=residential oneway=no":                            both,
		"highway=residential oneway=yes":                           {25 / 3.6, true, false},
		"highway=residential oneway=-1":                            {25 / 3.6, false, true},
		"highway=residential oneway=reversible":                    {speed: 25 / 3.6},
		"highway=residential junction=roundabout":                  {25 / 3.6, true, false},
		"highway=motorway":                                         {90 / 3.6, true, false},
		"highway=motorway maxspeed=none":                           {90 / 3.6, true, false},
		"highway=residential maxspeed=30":                          at(24),
		"highway=residential maxspeed=50mph":                       at(50 * 1.609344 * 0.8),
		"highway=residential maxspeed=1":                           at(5),
		"highway=residential maxspeed=9999":                        at(140),
		"highway=residential maxspeed=-30":                         both,
		"highway=residential maxspeed=NaN":                         both,
		"highway=residential maxspeed=CN:urban":                    both,
		"highway=residential access=private":                       none,
		"highway=residential access=no motor_vehicle=destination":  both,
		"highway=residential access=yes motor_vehicle=no":          none,
		"highway=residential motor_vehicle=no motorcar=designated": both,
		"highway=residential area=yes":                             none,
		"highway=cycleway":                                         none,
		"building=residential":                                     none,
	} {
		pairs := map[string]string{}
		for _, tag := range strings.Fields(tags) {
			key, value, _ := strings.Cut(tag, "=")
			pairs[key] = value
		}
		if got := drive(pairs); math.Abs(got.speed-want.speed) > 1e-9 || got.onward != want.onward || got.back != want.back {
			t.Errorf("%s: %v, want %v", tags, got, want)
		}
	}
	if v, ok := speedLimit("30 mph"); !ok || math.Abs(v-48.28) > 0.01 {
		t.Errorf("30 mph are %v km/h", v)
	}
	if _, ok := speedLimit("30 knots"); ok {
		t.Error("knots were taken for km/h")
	}
}

// Whatever stands in the file, reading it ends in a network or in an error.
func FuzzReadPBF(f *testing.F) {
	f.Add(townPBF)
	f.Add(fileOf(header, nodesBlock([2]int64{0, 0}, [2]int64{0, 1}), waysBlock(street{[]int64{1, 2}, "highway=trunk"})))
	f.Fuzz(func(t *testing.T, file []byte) {
		n, err := readOSM(t.Context(), bytes.NewReader(file))
		if err == nil && n.Leg(n.Node(0), n.Node(n.Nodes()-1)) == geo.Unreachable {
			t.Fatal("a node of the largest component cannot be reached")
		}
	})
}

package roads

import (
	"strconv"
	"strings"
)

// classes are the highways that a car may take, and how fast it is on them in km/h
// where no limit is tagged: those of OSRM's profile for cars.
var classes = map[string]float64{
	"motorway": 90, "motorway_link": 45, "trunk": 85, "trunk_link": 40,
	"primary": 65, "primary_link": 30, "secondary": 55, "secondary_link": 25,
	"tertiary": 40, "tertiary_link": 20, "unclassified": 25, "residential": 25,
	"living_street": 10, "service": 15,
}

const (
	ofLimit = 0.8 // of a speed limit is what a car gets (OSRM's profile too)
	slowest = 5   // km/h
	fastest = 140 // km/h
)

// driving is how a car may use a way.
type driving struct {
	speed        float64 // metres a second
	onward, back bool
}

// drive tells from the tags of a way how a car may use it: not at all if neither
// direction is open.
func drive(tags map[string]string) driving {
	speed, ok := classes[tags["highway"]]
	if !ok || tags["area"] == "yes" || !open(tags) {
		return driving{}
	}
	if limit, ok := speedLimit(tags["maxspeed"]); ok {
		speed = limit * ofLimit
	}
	d := driving{speed: min(max(speed, slowest), fastest) / 3.6}
	switch tags["oneway"] {
	case "yes", "true", "1":
		d.onward = true
	case "-1", "reverse":
		d.back = true
	case "reversible", "alternating": // nobody knows which way it is open
	case "no", "false", "0":
		d.onward, d.back = true, true
	default:
		round := tags["junction"] == "roundabout" || tags["junction"] == "circular"
		d.onward, d.back = true, !round && tags["highway"] != "motorway"
	}
	return d
}

// open reports whether everybody's car may use a way: the tag that is most about
// cars decides.
func open(tags map[string]string) bool {
	for _, key := range []string{"motorcar", "motor_vehicle", "vehicle", "access"} {
		switch tags[key] {
		case "":
		case "no", "private", "agricultural", "forestry", "emergency", "psv", "bus":
			return false
		default:
			return true
		}
	}
	return true
}

// speedLimit reads a maxspeed such as "50" or "30 mph", in km/h.
func speedLimit(tag string) (float64, bool) {
	number, unit, _ := strings.Cut(strings.TrimSpace(tag), " ")
	if n, ok := strings.CutSuffix(number, "mph"); ok {
		number, unit = n, "mph"
	}
	v, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil || !(v > 0):
		return 0, false
	case unit == "mph":
		v *= 1.609344
	case unit != "" && unit != "km/h" && unit != "kmh":
		return 0, false
	}
	return v, true
}

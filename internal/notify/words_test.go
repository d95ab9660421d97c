package notify

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"
	"unicode/utf8"
)

// smsParts is how many parts of 67 characters, as phones put together what is not
// Latin, an SMS may have in a language. Chinese says more in less.
var smsParts = map[Lang]int{English: 3, Chinese: 2}

// Every event has a sentence for each audience in each language, which can be written
// of whatever there is to say, and is short enough for an SMS and the column.
func TestEverySentence(t *testing.T) {
	now := time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)
	long := facts{
		Origin: strings.Repeat("长", 1000), Dest: strings.Repeat("😀", 1000), At: now.AddDate(0, 7, 20), Arrive: now.AddDate(0, 7, 20),
		Fee: 1_000_000, Fares: 100_000_000, Share: 100_000_000, Held: 1_000_000, Charged: 1_000_000, Rides: 1000, Day: "2026-05-03", Code: "123456",
	}
	aboard, owing, free := long, long, long
	aboard.Aboard, owing.Owed, free.Fee = true, true, 0
	for _, l := range Langs {
		names := []string{"code"}
		for _, p := range parts() {
			names = append(names, sentence(p.as, p.to))
		}
		for _, name := range names {
			for _, f := range []facts{long, aboard, owing, free, {Day: long.Day}} {
				text := write(l, name, f, now, time.UTC)
				if n := utf8.RuneCountInString(text); n == 0 || n > 67*smsParts[l] || !utf8.ValidString(text) {
					t.Errorf("%s in %s has %d characters: %s", name, l, n, text)
				}
				if strings.Contains(text, "<no value>") || strings.Contains(text, "  ") {
					t.Errorf("%s in %s: %q", name, l, text)
				}
			}
		}
		if extra := slices.DeleteFunc(defined(templates[l]), func(name string) bool { return slices.Contains(names, name) }); len(extra) > 0 {
			t.Errorf("in %s, nobody is told %v", l, extra)
		}
	}
	if en, zh := defined(templates[English]), defined(templates[Chinese]); !slices.Equal(en, zh) {
		t.Errorf("in English %v, in Chinese %v", en, zh)
	}
}

// The page of a trip has a name for every event that its notices tell of.
func TestThePageNamesEveryEvent(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "web", "i18n.js"))
	if err != nil {
		t.Fatal(err)
	}
	ofNoTrip := []Event{Expired, Settled, Statement, Reached, Unreached}
	for _, p := range parts() {
		if name := "event." + string(p.as); !slices.Contains(ofNoTrip, p.as) && !strings.Contains(string(raw), "\n  '"+name+"': [") {
			t.Errorf("web/i18n.js lacks '%s'", name)
		}
	}
}

// defined returns the names of a language's sentences, sorted.
func defined(t *template.Template) (names []string) {
	for _, one := range t.Templates() {
		if name := one.Name(); name != "" && !strings.HasSuffix(name, ".tmpl") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestChinese(t *testing.T) {
	zone := time.FixedZone("UTC+8", 8*60*60)
	now := time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)
	ride := facts{Origin: "静安寺", Dest: "虹桥机场", At: now.Add(time.Hour), Arrive: now.Add(2 * time.Hour)}
	late, paid := ride, ride
	late.Fee, paid.Held, paid.Charged = 1234, 2000, 1500
	nowhere := facts{At: ride.At}
	for _, c := range []struct {
		ev   Event
		to   Audience
		f    facts
		want string
	}{
		{Matched, ToRider, ride, "您从静安寺到虹桥机场的行程已确认，司机将于 17:00 接您。"},
		{Matched, ToRider, nowhere, "您的行程已确认，司机将于 17:00 接您。"},
		{Late, ToRider, ride, "您从静安寺到虹桥机场的行程时间有变：预计 17:00 上车，18:00 到达。"},
		{Cancelled, ToRider, ride, "您从静安寺到虹桥机场的行程已取消，预授权已撤销。"},
		{Cancelled, ToRider, late, "您从静安寺到虹桥机场的行程已取消，收取 12.34 元，其余预授权已撤销。"},
		{Receipted, ToRider, paid, "您从静安寺到虹桥机场的行程收据：预授权 20.00 元，实付 15.00 元。"},
	} {
		if got := write(Chinese, sentence(c.ev, c.to), c.f, now, zone); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// A time on another day says which.
func TestMoment(t *testing.T) {
	now := time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		l    Lang
		in   time.Duration
		want string
	}{
		{English, time.Hour, "09:00"}, {English, 16 * time.Hour, "00:00 on 5 May"},
		{Chinese, time.Hour, "09:00"}, {Chinese, 40 * time.Hour, "5月6日 00:00"},
	} {
		if got := moment(c.l, now.Add(c.in), now); got != c.want {
			t.Errorf("%s in %s: %q, want %q", c.l, c.in, got, c.want)
		}
	}
}

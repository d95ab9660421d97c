package web

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

var (
	elsewhere = regexp.MustCompile(`(?:from|import|src=|href=|url\()\s*["'(]?(?:https?:)?//`)
	assetRef  = regexp.MustCompile(`"/assets/([^"]+)"`)
	importRef = regexp.MustCompile(`from '\./([^']+)'`)
)

// The pages must work offline: whatever they load is embedded, and nothing of
// ours loads from elsewhere.
func TestEverythingLoadedIsEmbedded(t *testing.T) {
	err := fs.WalkDir(FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path, "vendor/") {
			return err
		}
		raw, err := fs.ReadFile(FS, path)
		if err != nil {
			return err
		}
		text := string(raw)
		if m := elsewhere.FindString(text); m != "" {
			t.Errorf("%s loads from elsewhere: %s", path, m)
		}
		for _, ref := range []*regexp.Regexp{assetRef, importRef} {
			for _, m := range ref.FindAllStringSubmatch(text, -1) {
				if _, err := fs.Stat(FS, m[1]); err != nil {
					t.Errorf("%s loads %s: %v", path, m[1], err)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Every text that a module asks for by a fixed name is in the dictionary.
func TestEveryTextIsInTheDictionary(t *testing.T) {
	asked := regexp.MustCompile(`\bt\('([^']+)'`)
	dictionary, err := fs.ReadFile(FS, "i18n.js")
	if err != nil {
		t.Fatal(err)
	}
	modules, err := fs.Glob(FS, "*.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, module := range modules {
		raw, err := fs.ReadFile(FS, module)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range asked.FindAllStringSubmatch(string(raw), -1) {
			entry := regexp.MustCompile(`(?m)^  '?` + regexp.QuoteMeta(m[1]) + `'?: \[`)
			if !entry.Match(dictionary) {
				t.Errorf("%s asks for the text %q, which the dictionary lacks", module, m[1])
			}
		}
	}
}

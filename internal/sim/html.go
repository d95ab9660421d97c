package sim

import (
	_ "embed"
	"html/template"
	"io"
)

//go:embed report.html
var pageText string

// HTML writes the report as one page that needs nothing else: the curves, the
// table, what was asked for, and what the audit found.
func (r Report) HTML(w io.Writer) error {
	page, err := template.New("report").Parse(pageText)
	if err != nil {
		return err
	}
	return page.Execute(w, struct {
		Report
		Charts []chart
	}{r, r.charts()})
}

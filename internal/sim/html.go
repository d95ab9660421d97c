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
	return writePage(w, struct {
		Report
		Title  string
		Charts []chart
	}{r, "load test", r.charts()})
}

// HTML writes the report as one page that needs nothing else, as that of a load test is.
func (r DayReport) HTML(w io.Writer) error {
	return writePage(w, struct {
		DayReport
		Title  string
		Charts []chart
	}{r, "simulated day", r.charts()})
}

func writePage(w io.Writer, data any) error {
	page, err := template.New("report").Parse(pageText)
	if err != nil {
		return err
	}
	return page.Execute(w, data)
}

package httpapi

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// description is the OpenAPI document, read once, and a router over it.
type description struct {
	doc    *openapi3.T
	router routers.Router
	err    error
}

var described = sync.OnceValue(func() description {
	doc, err := openapi3.NewLoader().LoadFromData(Description)
	if err != nil {
		return description{err: err}
	}
	closeObjects(doc)
	router, err := gorillamux.NewRouter(doc)
	return description{doc, router, err}
})

// closeObjects forbids fields that are not described. To others the document
// leaves room for new ones; to us a field that it does not name is an oversight.
func closeObjects(doc *openapi3.T) {
	no := false
	var visit func(*openapi3.SchemaRef)
	visit = func(ref *openapi3.SchemaRef) {
		if ref == nil || ref.Value == nil {
			return
		}
		s := ref.Value
		if s.Type.Is("object") {
			s.AdditionalProperties.Has = &no
		}
		for _, p := range s.Properties {
			if p.Ref == "" {
				visit(p)
			}
		}
		if s.Items != nil && s.Items.Ref == "" {
			visit(s.Items)
		}
	}
	for _, s := range doc.Components.Schemas {
		visit(s)
	}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			for _, res := range op.Responses.Map() {
				for _, m := range res.Value.Content {
					if m.Schema != nil && m.Schema.Ref == "" {
						visit(m.Schema)
					}
				}
			}
		}
	}
}

// checkAnswer holds an answer against the description. What the document does
// not describe, such as the pages, is let pass.
func checkAnswer(t testing.TB, req *http.Request, status int, h http.Header, body []byte) {
	t.Helper()
	d := described()
	if d.err != nil {
		t.Fatal(d.err)
	}
	route, params, err := d.router.FindRoute(req)
	if err != nil {
		return
	}
	in := &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route}
	err = openapi3filter.ValidateResponse(req.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: status, Header: h, Body: io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	})
	if err != nil {
		t.Errorf("%s %s: the answer is not as described: %v", req.Method, req.URL.Path, err)
	}
}

// checkRequest holds a request against the description.
func checkRequest(t testing.TB, req *http.Request) (operation string) {
	t.Helper()
	route, params, err := described().router.FindRoute(req)
	if err != nil {
		t.Fatalf("%s %s is not described: %v", req.Method, req.URL.Path, err)
	}
	err = openapi3filter.ValidateRequest(req.Context(), &openapi3filter.RequestValidationInput{
		Request: req, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	})
	if err != nil {
		t.Errorf("%s %s: the request is not as described: %v", req.Method, req.URL.Path, err)
	}
	return route.Operation.OperationID
}

func TestDescriptionIsValid(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(Description)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, s := range doc.Components.Schemas {
		for _, example := range s.Value.Examples {
			if err := s.Value.VisitJSON(example, openapi3.EnableJSONSchema2020()); err != nil {
				t.Errorf("an example of %s: %v", name, err)
			}
		}
	}
}

// forBrowsers are the routes that are no part of the API.
var forBrowsers = regexp.MustCompile(`^(GET /|GET /favicon.ico|GET /assets/{path}|GET /monitor|[A-Z]+ /monitor/{any})$`)

func TestDescriptionHasTheRoutes(t *testing.T) {
	var routes, paths []string
	param := regexp.MustCompile(`[:*](\w+)`)
	for _, r := range newWorld(t).api.engine.Routes() {
		name := r.Method + " " + param.ReplaceAllString(r.Path, "{$1}")
		if !forBrowsers.MatchString(name) {
			routes = append(routes, name)
		}
	}
	for path, item := range described().doc.Paths.Map() {
		for method := range item.Operations() {
			paths = append(paths, method+" "+path)
		}
	}
	sameStrings(t, "routes", routes, "described", paths)
}

// TestDescriptionHasTheCodes holds the codes in the description, in the table
// for people and in the schemas, against those in the sources.
func TestDescriptionHasTheCodes(t *testing.T) {
	schemas := described().doc.Components.Schemas
	answered, reasons := enum(schemas["Code"]), enum(schemas["Reason"])

	var table []string
	for _, m := range regexp.MustCompile("(?m)^\\| \\d{3} \\| `(\\w+)` \\|").FindAllStringSubmatch(described().doc.Info.Description, -1) {
		table = append(table, m[1])
	}
	sameStrings(t, "in the table", table, "in the schema Code", answered)

	found := codesInSources(t)
	all := slices.Concat(answered, reasons)
	for _, code := range found {
		if !slices.Contains(all, code) {
			t.Errorf("the code %q is not described", code)
		}
	}
	// Reasons that are no faults of a package.
	found = append(found, "cancelled_by_rider", "cancelled_by_operator", "no_trip", "trip_cancelled", "moved", "trip_abandoned", "cancelled", "failed")
	for _, code := range all {
		if !slices.Contains(found, code) {
			t.Errorf("the code %q is described and does not exist", code)
		}
	}
}

func enum(s *openapi3.SchemaRef) (values []string) {
	for _, v := range s.Value.Enum {
		values = append(values, v.(string))
	}
	return values
}

// codesInSources finds the codes in the calls that make faults and problems.
func codesInSources(t *testing.T) (codes []string) {
	files, err := filepath.Glob("../*/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no sources", err)
	}
	makers := map[string]int{"fault.New": 1, "fault.Wrap": 2, "fault.Fieldf": 1, "problem": 2} // where the code stands
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "../sim/") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if at, ok := makers[nameOf(call.Fun)]; ok && at < len(call.Args) {
				lit, ok := call.Args[at].(*ast.BasicLit)
				if !ok {
					t.Errorf("%s: a code that is not written out", name)
					return true
				}
				code, _ := strconv.Unquote(lit.Value)
				codes = append(codes, code)
			}
			return true
		})
	}
	return codes
}

func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return nameOf(e.X) + "." + e.Sel.Name
	}
	return ""
}

func sameStrings(t *testing.T, nameA string, a []string, nameB string, b []string) {
	t.Helper()
	for _, s := range a {
		if !slices.Contains(b, s) {
			t.Errorf("%q is among the %s, not %s", s, nameA, nameB)
		}
	}
	for _, s := range b {
		if !slices.Contains(a, s) {
			t.Errorf("%q is %s, not among the %s", s, nameB, nameA)
		}
	}
}

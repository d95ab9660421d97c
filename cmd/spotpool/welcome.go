package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/httpapi"
)

// The phone numbers of the people whose tokens are printed at the start.
const (
	welcomeOperator = "+8613800000000"
	welcomeDriver   = "+8613800000001"
	welcomeRider    = "+8613800000002"
)

// welcome says where to look. The demo also prints tokens, ready to paste.
func (a *app) welcome(ctx context.Context, out io.Writer, addr string, run parts) error {
	if addr == "" {
		fmt.Fprintf(out, "Spotpool worker takes jobs from %s\n%s", a.settings.Queues, a.pace())
		return nil
	}
	base := "http://" + visible(addr)
	fmt.Fprintf(out, `Spotpool 现货拼车 serves on %s
  pages            %s/
  asynqmon         %s%s/   (operators)
  API description  %s/openapi.yaml
  metrics          %s/metrics
%s`, base, base, base, httpapi.MonitorRoot, base, base, a.pace())
	if !run.has(theCity) {
		fmt.Fprintf(out, "A token for scripts:  spotpool token --role rider|driver|operator --phone +8613800000000\n")
		return nil
	}
	operator, _, err := a.person(ctx, welcomeOperator, account.Operator)
	if err != nil {
		return err
	}
	driver, _, err := a.person(ctx, welcomeDriver, account.Driver)
	if err != nil {
		return err
	}
	rider, _, err := a.person(ctx, welcomeRider, account.Rider)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, `
Sign in as an operator (opens the pages, and asynqmon from there):
  %s/#token=%s

Offer a trip as a driver, which departs in ten minutes:
  curl -s %s/v1/trips -H 'Authorization: Bearer %s' -d '{"origin":{"lat":31.2304,"lng":121.4737,"name":"人民广场"},"destination":{"lat":31.1940,"lng":121.3200,"name":"虹桥火车站"},"seats":3}'

Order a seat as a rider:
  curl -s %s/v1/orders -H 'Authorization: Bearer %s' -d '{"origin":{"lat":31.2240,"lng":121.4550,"name":"静安寺"},"destination":{"lat":31.1970,"lng":121.3270,"name":"虹桥机场"},"seats":1}'

Watch the rider's orders:
  curl -s %s/v1/orders -H 'Authorization: Bearer %s'

Ctrl-C stops; the next start goes on with what was unfinished.
`, base, operator, base, driver, base, rider, base, rider)
	return nil
}

// pace is a line that says how fast time runs, none where it is the wall's.
func (a *app) pace() string {
	if a.clock.Speed() == 1 {
		return ""
	}
	return fmt.Sprintf("  time runs %g×, it is %s\n", a.clock.Speed(), a.clock.Now().Format(time.RFC3339))
}

// visible returns an address that a browser on this machine can open.
func visible(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	dysms "github.com/alibabacloud-go/dysmsapi-20170525/v5/client"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/alibabacloud-go/tea/tea"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs"
)

// AliyunConfig is an account with Aliyun's Short Message Service. Aliyun sends no
// text of one's own: it fills templates that it has approved before.
type AliyunConfig struct {
	Endpoint       string // a URL without a path
	KeyID          string
	KeySecret      string
	Sign           string // stands before every message; approved like the templates
	CodeTemplate   string // of sign-in codes, with the variable ${code}
	NoticeTemplate string // of notices, with the variable ${text}
}

// Aliyun sends SMS by Aliyun's API of 2017-05-25, operation SendSms, with requests
// signed by ACS3-HMAC-SHA256.
//
// SendSms does not know a message again. It takes a name for it, OutId, and tells
// it in the record of what was sent: there a message that is sent again is looked for.
type Aliyun struct {
	*wire
	config   AliyunConfig
	protocol string
	host     string
}

// NewAliyun returns an adapter for an account. It does no I/O.
func NewAliyun(c AliyunConfig, clk clock.Clock) (*Aliyun, error) {
	at, err := url.Parse(c.Endpoint)
	if err != nil || at.Host == "" || strings.Trim(at.Path, "/") != "" {
		return nil, fmt.Errorf("the endpoint of Aliyun must be like https://dysmsapi.aliyuncs.com, not %q", c.Endpoint)
	}
	return &Aliyun{newWire("aliyun", clk), c, at.Scheme, at.Host}, nil
}

// Text implements Texter.
func (p *Aliyun) Text(ctx context.Context, m SMS) error {
	client, err := p.client()
	if err != nil {
		return err
	}
	if m.Again {
		if sent, err := p.sent(ctx, client, m); sent || err != nil && !notTold(err) {
			return err
		}
	}
	template, variables := p.config.NoticeTemplate, map[string]string{"text": m.Text}
	if m.Code != "" {
		template, variables = p.config.CodeTemplate, map[string]string{"code": m.Code}
	}
	filled, err := json.Marshal(variables)
	if err != nil {
		return err
	}
	res, err := client.SendSmsWithContext(ctx, &dysms.SendSmsRequest{
		PhoneNumbers: dara.String(digits(m.Phone)), SignName: &p.config.Sign,
		TemplateCode: &template, TemplateParam: dara.String(string(filled)), OutId: &m.Key,
	}, &dara.RuntimeOptions{})
	if err != nil {
		return p.understand(ctx, err)
	}
	if res.Body == nil {
		return p.lost(ctx)
	}
	return p.judge(dara.StringValue(res.Body.Code), dara.StringValue(res.Body.Message))
}

// sent reports whether Aliyun has taken a message of the same key lately.
func (p *Aliyun) sent(ctx context.Context, client *dysms.Client, m SMS) (bool, error) {
	const pageSize = 50 // the most; a number gets far fewer a day
	now := p.clock.Now().In(beijing)
	days := []string{now.Format("20060102")}
	if before := now.Add(-lookBack).Format("20060102"); before != days[0] {
		days = append(days, before)
	}
	for _, day := range days {
		res, err := client.QuerySendDetailsWithContext(ctx, &dysms.QuerySendDetailsRequest{
			PhoneNumber: dara.String(digits(m.Phone)), SendDate: &day, PageSize: dara.Int64(pageSize), CurrentPage: dara.Int64(1),
		}, &dara.RuntimeOptions{})
		if err != nil {
			return false, p.understand(ctx, err)
		}
		if res.Body == nil {
			return false, p.lost(ctx)
		}
		if err := p.judge(dara.StringValue(res.Body.Code), ""); err != nil {
			return false, err
		}
		if list := res.Body.SmsSendDetailDTOs; list != nil {
			for _, one := range list.SmsSendDetailDTO {
				if dara.StringValue(one.OutId) == m.Key {
					return true, nil
				}
			}
		}
	}
	return false, nil
}

// beijing is the time of Aliyun's records. China has no other.
var beijing = time.FixedZone("UTC+8", 8*60*60)

// client returns a client of the SDK, which is not safe for concurrent use and
// costs nothing: connections belong to the wire.
func (p *Aliyun) client() (*dysms.Client, error) {
	client, err := dysms.NewClient(&openapi.Config{
		AccessKeyId: &p.config.KeyID, AccessKeySecret: &p.config.KeySecret,
		Protocol: &p.protocol, Endpoint: &p.host, HttpClient: sdkWire{p.wire},
	})
	if err != nil {
		return nil, p.unavailable("its SDK does not start", nil)
	}
	return client, nil
}

// sdkWire has the SDK's requests carried by a wire.
type sdkWire struct{ *wire }

// Call implements dara.HttpClient.
func (w sdkWire) Call(req *http.Request, _ *http.Transport) (*http.Response, error) { return w.do(req) }

// understand returns what an error of the SDK means for the job. Its text may hold
// the number and is left out.
func (p *Aliyun) understand(ctx context.Context, err error) error {
	var said *tea.SDKError
	switch {
	case errors.As(err, &said):
		return p.judge(dara.StringValue(said.Code), "")
	case jobs.IsRelease(err) || fault.CodeOf(err) == "sms_unavailable":
		return err // from the wire
	}
	return p.lost(ctx)
}

// judge returns nil for the code OK, else the error that a code stands for.
func (p *Aliyun) judge(code, message string) error {
	switch {
	case code == "OK":
		return nil
	case code == "isv.BUSINESS_LIMIT_CONTROL":
		return p.refusal(busy, code, pauseOf(message))
	case strings.HasPrefix(code, "Throttling"):
		return p.refusal(busy, code, usualPause)
	}
	return p.refusal(aliyunVerdicts[code], code, 0)
}

// pauseOf returns how long a number is left alone that has had its messages of a
// minute, an hour or a day: Aliyun says which in words only.
func pauseOf(message string) time.Duration {
	switch {
	case strings.Contains(message, "天级"):
		return time.Hour
	case strings.Contains(message, "小时级"):
		return 10 * time.Minute
	}
	return time.Minute
}

// aliyunVerdicts are the codes that speak of the message or the number. Others
// speak of Aliyun, or of our account: keys, balance, templates, limits of our own.
var aliyunVerdicts = map[string]verdict{
	"isv.MOBILE_NUMBER_ILLEGAL":   unreachable,
	"isv.PHONE_NUMBER_ILLEGAL":    unreachable,
	"isv.SMS_TEST_NUMBER_LIMIT":   unreachable,
	"isv.NOT_SUPPORTED_COUNTRY":   unreachable,
	"isv.COUNTRY_RESTRICTED":      unreachable,
	"isv.CUSTOMER_REFUSED":        blocked,
	"isv.BLACK_KEY_CONTROL_LIMIT": rejected,
	"isv.PARAM_LENGTH_LIMIT":      rejected,
	"isv.PARAM_NOT_SUPPORT_URL":   rejected,
	"isv.INVALID_JSON_PARAM":      rejected,
	"isv.SMS_CONTENT_ILLEGAL":     rejected,
	"FILTER":                      rejected,
}

// digits writes a number as Aliyun wants it: those of the mainland without their
// country code, others with it, none with a plus.
func digits(phone string) string {
	if local, ok := strings.CutPrefix(phone, "+86"); ok {
		return local
	}
	return strings.TrimPrefix(phone, "+")
}

package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func aliyunAt(t *testing.T, endpoint string) *Aliyun {
	t.Helper()
	p, err := NewAliyun(AliyunConfig{
		Endpoint: endpoint, KeyID: "the key", KeySecret: "the secret", Sign: "现货拼车", CodeTemplate: "SMS_1", NoticeTemplate: "SMS_2",
	}, fakeClock())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// percent encodes as RFC 3986 wants it, which Aliyun signs.
func percent(s string) string {
	return strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~").Replace(url.QueryEscape(s))
}

// signature works out ACS3-HMAC-SHA256 of a request, after Aliyun's description of
// "V3 request structure and signature" and without the SDK. It returns "" for a
// request that leaves out of its signature what must be in it.
func signature(t *testing.T, r *http.Request, secret string) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	hash := func(b []byte) string { sum := sha256.Sum256(b); return hex.EncodeToString(sum[:]) }
	if r.Header.Get("x-acs-content-sha256") != hash(body) {
		return ""
	}
	var query []string
	for name, values := range r.URL.Query() {
		query = append(query, percent(name)+"="+percent(values[0]))
	}
	slices.Sort(query)
	_, names, _ := strings.Cut(r.Header.Get("Authorization"), "SignedHeaders=")
	names, _, _ = strings.Cut(names, ",")
	signed := strings.Split(names, ";")
	var headers strings.Builder
	for _, name := range signed {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		headers.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	for _, name := range []string{"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"} {
		if !slices.Contains(signed, name) {
			return ""
		}
	}
	canonical := strings.Join([]string{r.Method, "/", strings.Join(query, "&"), headers.String(), names, hash(body)}, "\n")
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("ACS3-HMAC-SHA256\n" + hash([]byte(canonical))))
	return "ACS3-HMAC-SHA256 Credential=the key,SignedHeaders=" + names + ",Signature=" + hex.EncodeToString(mac.Sum(nil))
}

const aliyunOK = `{"Code":"OK","Message":"OK","RequestId":"r","BizId":"b"}`

func TestAliyunGetsASignedRequest(t *testing.T) {
	var mu sync.Mutex
	var got url.Values
	nonces := map[string]bool{}
	p := aliyunAt(t, serve(t, func(r *http.Request) answer {
		mu.Lock()
		defer mu.Unlock()
		if want := signature(t, r, "the secret"); want == "" || r.Header.Get("Authorization") != want {
			t.Errorf("authorization %q, want %q", r.Header.Get("Authorization"), want)
		}
		if action, version := r.Header.Get("x-acs-action"), r.Header.Get("x-acs-version"); action != "SendSms" || version != "2017-05-25" {
			t.Errorf("action %q of %q", action, version)
		}
		nonces[r.Header.Get("x-acs-signature-nonce")] = true
		got = r.URL.Query()
		return answer{status: 200, body: aliyunOK}
	}))
	for _, c := range []struct {
		sms                         SMS
		number, template, variables string
	}{
		{SMS{Key: "k1", Phone: testPhone, Text: `it's a "*~ + 拼车`}, testDigits, "SMS_2", `{"text":"it's a \"*~ + 拼车"}`},
		{SMS{Key: "k2", Phone: "+85261234567", Text: "042 is your code", Code: "042"}, "85261234567", "SMS_1", `{"code":"042"}`},
	} {
		if err := p.Text(t.Context(), c.sms); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"PhoneNumbers": c.number, "SignName": "现货拼车", "TemplateCode": c.template, "TemplateParam": c.variables, "OutId": c.sms.Key,
		} {
			if got.Get(name) != want {
				t.Errorf("%s is %q, want %q", name, got.Get(name), want)
			}
		}
	}
	if len(nonces) != 2 {
		t.Errorf("nonces %v of two requests", nonces)
	}
}

func TestAliyunWithAnotherSecretIsNotAccepted(t *testing.T) {
	p := aliyunAt(t, serve(t, func(r *http.Request) answer {
		if r.Header.Get("Authorization") == signature(t, r, "another secret") {
			t.Error("the signature does not depend on the secret")
		}
		return answer{status: 400, body: `{"Code":"SignatureDoesNotMatch","Message":"no"}`}
	}))
	if err := p.Text(t.Context(), SMS{Phone: testPhone}); outcomeOf(t, err) != retry {
		t.Errorf("%v, want a retry, for which the second provider may be asked", err)
	}
}

func TestWhatAliyunAnswers(t *testing.T) {
	says := func(code, message string) answer {
		return answer{status: 200, body: `{"Code":"` + code + `","Message":"` + message + ` ` + testPhone + `","RequestId":"r"}`}
	}
	for name, c := range map[string]struct {
		answer answer
		want   outcome
	}{
		"taken":                  {says("OK", "OK"), taken},
		"no number":              {says("isv.MOBILE_NUMBER_ILLEGAL", "手机号码格式错误"), failedAs("sms_number_invalid")},
		"unsubscribed":           {says("isv.CUSTOMER_REFUSED", "用户已退订推广短信"), failedAs("sms_blocked")},
		"a word in the way":      {says("isv.BLACK_KEY_CONTROL_LIMIT", "黑名单"), failedAs("sms_rejected")},
		"too long":               {says("isv.PARAM_LENGTH_LIMIT", "长度"), failedAs("sms_rejected")},
		"the number's minute":    {says("isv.BUSINESS_LIMIT_CONTROL", "触发分钟级流控Permits:1"), releasedFor(time.Minute)},
		"the number's hour":      {says("isv.BUSINESS_LIMIT_CONTROL", "触发小时级流控Permits:5"), releasedFor(10 * time.Minute)},
		"the number's day":       {says("isv.BUSINESS_LIMIT_CONTROL", "触发天级流控Permits:10"), releasedFor(time.Hour)},
		"no balance":             {says("isv.AMOUNT_NOT_ENOUGH", "余额不足"), retry},
		"no template":            {says("isv.SMS_TEMPLATE_ILLEGAL", "模版"), retry},
		"the account's own day":  {says("isv.DAY_LIMIT_CONTROL", "日限额"), retry},
		"system":                 {says("isp.SYSTEM_ERROR", "error"), retry},
		"an unknown code":        {says("isv.NEW", "new"), retry},
		"throttled":              {answer{status: 400, body: `{"Code":"Throttling.User","Message":"slow"}`}, releasedFor(usualPause)},
		"no number, as an error": {answer{status: 400, body: `{"Code":"isv.MOBILE_NUMBER_ILLEGAL","Message":"no"}`}, failedAs("sms_number_invalid")},
		"not allowed":            {answer{status: 403, body: `{"Code":"NoPermission","Message":"no"}`}, retry},
		"not JSON":               {answer{status: 200, body: `OK the text ` + testPhone}, retry},
		"broken off":             {answer{status: 200, body: `{"Code":"OK"`}, retry},
		"nothing":                {answer{status: 200}, retry},
	} {
		t.Run(name, func(t *testing.T) {
			err := aliyunAt(t, serve(t, func(*http.Request) answer { return c.answer })).
				Text(t.Context(), SMS{Key: "k", Phone: testPhone, Text: "the text"})
			if got := outcomeOf(t, err); got != c.want {
				t.Errorf("%+v, want %+v: %v", got, c.want, err)
			}
		})
	}
	testWrong(t, func(url string) Texter { return aliyunAt(t, url) })
}

// What is sent again is looked for first, by its name.
func TestAliyunIsAskedWhatWasSent(t *testing.T) {
	records := func(ids ...string) answer {
		var list []string
		for _, id := range ids {
			list = append(list, `{"OutId":"`+id+`","PhoneNum":"`+testDigits+`","SendStatus":1}`)
		}
		return answer{status: 200, body: `{"Code":"OK","Message":"OK","TotalCount":"1","SmsSendDetailDTOs":{"SmsSendDetailDTO":[` + strings.Join(list, ",") + `]}}`}
	}
	for name, c := range map[string]struct {
		found answer
		sends int
		want  outcome
	}{
		"it was sent":           {records("other", "k"), 0, taken},
		"it was not":            {records("other"), 1, taken},
		"nothing was":           {records(), 1, taken},
		"one may not look":      {answer{status: 200, body: `{"Code":"isv.NUMBER","Message":"no"}`}, 1, taken},
		"one is not allowed to": {answer{status: 403, body: `{"Code":"NoPermission","Message":"no"}`}, 1, taken},
		"the number is none":    {answer{status: 200, body: `{"Code":"isv.MOBILE_NUMBER_ILLEGAL","Message":"no"}`}, 1, taken},
		"looking goes wrong":    {answer{status: 500}, 0, retry},
		"looking is throttled":  {answer{status: 400, body: `{"Code":"Throttling"}`}, 0, releasedFor(usualPause)},
	} {
		t.Run(name, func(t *testing.T) {
			var looked url.Values
			sends := 0
			p := aliyunAt(t, serve(t, func(r *http.Request) answer {
				if r.Header.Get("x-acs-action") == "QuerySendDetails" {
					looked = r.URL.Query()
					return c.found
				}
				sends++
				return answer{status: 200, body: aliyunOK}
			}))
			err := p.Text(t.Context(), SMS{Key: "k", Phone: testPhone, Text: "the text", Again: true})
			if got := outcomeOf(t, err); got != c.want || sends != c.sends {
				t.Errorf("%+v and %d sent, want %+v and %d: %v", got, sends, c.want, c.sends, err)
			}
			if looked.Get("PhoneNumber") != testDigits || looked.Get("SendDate") != "20260504" {
				t.Errorf("looked for %v", looked)
			}
		})
	}
}

// The SDK's client is not safe for concurrent use; the adapter is.
func TestAliyunTakesManyAtOnce(t *testing.T) {
	p := aliyunAt(t, serve(t, func(r *http.Request) answer {
		if want := signature(t, r, "the secret"); r.Header.Get("Authorization") != want {
			t.Errorf("authorization %q, want %q", r.Header.Get("Authorization"), want)
		}
		return answer{status: 200, body: aliyunOK}
	}))
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := p.Text(t.Context(), SMS{Key: "k", Phone: testPhone, Text: "the text"}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestAliyunNeedsAnEndpoint(t *testing.T) {
	for _, at := range []string{"", "dysmsapi.aliyuncs.com", "https://host/path", "://"} {
		if _, err := NewAliyun(AliyunConfig{Endpoint: at}, fakeClock()); err == nil {
			t.Errorf("%q was taken", at)
		}
	}
}

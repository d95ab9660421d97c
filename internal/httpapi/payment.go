package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/pay"
)

// maxWebhook is how large a webhook may be, in bytes: gateways send whole objects.
const maxWebhook = 256 << 10

// webhook takes in what a gateway says of its own accord. Who sends it is told by its
// signature; the work is left to a job, so that the gateway is answered at once.
func (s *Server) webhook(source string) gin.HandlerFunc {
	return func(c *gin.Context) {
		body, ok := bodyOf(c, maxWebhook)
		if !ok {
			return
		}
		if err := s.Payments.Receive(c.Request.Context(), source, c.Request.Header, body); err != nil {
			s.refuse(c, err)
			return
		}
		c.JSON(http.StatusOK, gin.H{"received": true})
	}
}

// meansOut is what a user pays with and is paid to, on its way in and out.
type meansOut struct {
	Customer      string `json:"customer"`
	Method        string `json:"payment_method"`
	PayoutAccount string `json:"payout_account"`
}

func meansOf(m pay.Means) meansOut {
	return meansOut{m.Payer.Customer, m.Payer.Method, m.PayoutAccount}
}

func (s *Server) getMeans(c *gin.Context) {
	m, err := s.Payments.Means(c.Request.Context(), who(c).UserID)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, meansOf(m))
}

type meansIn struct {
	Customer      *string `json:"customer"`
	Method        *string `json:"payment_method"`
	PayoutAccount *string `json:"payout_account"`
}

// putMeans replaces what the user has named, so nothing may be left out.
func (s *Server) putMeans(c *gin.Context, tx *db.Tx, body []byte) (reply, error) {
	in, err := decode[meansIn](body)
	if err != nil {
		return reply{}, err
	}
	switch {
	case in.Customer == nil:
		return reply{}, missing("customer")
	case in.Method == nil:
		return reply{}, missing("payment_method")
	case in.PayoutAccount == nil:
		return reply{}, missing("payout_account")
	}
	m := pay.Means{UserID: who(c).UserID, Payer: pay.Payer{Customer: *in.Customer, Method: *in.Method}, PayoutAccount: *in.PayoutAccount}
	if err := s.Payments.SetMeans(tx, m); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, body: meansOf(m)}, nil
}

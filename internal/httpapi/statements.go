package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/pay"
)

type statementOut struct {
	DriverID  uuid.UUID `json:"driver_id"`
	Day       clock.Day `json:"day"`
	Trips     int       `json:"trips"`
	Rides     int       `json:"rides"`
	Total     moneyOut  `json:"total"`
	CreatedAt string    `json:"created_at"`

	Settled settledOut `json:"settled"`
}

type settledOut struct {
	Rides       int      `json:"rides"`
	Fares       moneyOut `json:"fares"`
	PlatformFee moneyOut `json:"platform_fee"`
	Share       moneyOut `json:"share"`
	PaidOut     moneyOut `json:"paid_out"`
}

func statementOf(st pay.Statement, by pay.Settled) statementOut {
	return statementOut{
		DriverID: st.DriverID, Day: st.Day, Trips: st.Trips, Rides: st.Rides, Total: moneyOf(st.Total), CreatedAt: stamp(st.CreatedAt),
		Settled: settledOut{by.Rides, moneyOf(by.Fares), moneyOf(by.Fee), moneyOf(by.Share), moneyOf(by.PaidOut)},
	}
}

func (s *Server) getStatement(c *gin.Context) {
	day, err := s.dayOver(c.Query("day"))
	if err != nil {
		s.refuse(c, err)
		return
	}
	st, err := s.Payments.Statement(c.Request.Context(), who(c).UserID, day)
	if err != nil {
		s.refuse(c, err)
		return
	}
	settled, err := s.Payments.Settled(c.Request.Context(), st.DriverID, day)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, statementOf(st, settled))
}

type dayIn struct {
	Day string `json:"day"`
}

// askStatement has a statement made that the night has left out, such as when
// nothing ran then. One that is there stays as it is.
func (s *Server) askStatement(c *gin.Context, tx *db.Tx, body []byte) (reply, error) {
	in, err := decode[dayIn](body)
	if err != nil {
		return reply{}, err
	}
	day, err := s.dayOver(in.Day)
	if err != nil {
		return reply{}, err
	}
	if err := s.Jobs.Dispatch(tx, pay.MakeStatement(who(c).UserID, day)); err != nil {
		return reply{}, err
	}
	return reply{
		status: http.StatusAccepted, location: "/v1/drivers/me/statement?day=" + string(day), body: gin.H{"status": "being made"},
	}, nil
}

func (s *Server) dayOver(text string) (clock.Day, error) {
	if text == "" {
		return "", missing("day")
	}
	return s.Payments.DayOver(text)
}

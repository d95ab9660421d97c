package httpapi

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/order"
	"github.com/spotpool/spotpool/internal/pay"
)

type routeIn struct {
	Origin      *placeIn `json:"origin"`
	Destination *placeIn `json:"destination"`
	Seats       int      `json:"seats"`
}

func (in routeIn) route() (r order.Route, err error) {
	r.Seats = in.Seats
	r.Origin, r.Dest, err = places(in.Origin, in.Destination)
	return r, err
}

type quoteOut struct {
	DistanceM int      `json:"distance_metres"`
	DurationS int      `json:"duration_seconds"`
	Fare      moneyOut `json:"fare"`
	Pooled    moneyOut `json:"fare_pooled"`
}

func (s *Server) quote(_ *gin.Context, _ *db.Tx, body []byte) (reply, error) {
	in, err := decode[routeIn](body)
	if err != nil {
		return reply{}, err
	}
	route, err := in.route()
	if err != nil {
		return reply{}, err
	}
	q, err := s.Orders.Quote(route)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, body: quoteOut{q.Metres, int(q.Duration / time.Second), moneyOf(q.Price.Solo), moneyOf(q.Price.Pooled)}}, nil
}

// orderIn does not embed routeIn: the decoder would name its fields routeIn.seats.
type orderIn struct {
	Origin       *placeIn   `json:"origin"`
	Destination  *placeIn   `json:"destination"`
	Seats        int        `json:"seats"`
	DepartAfter  *time.Time `json:"depart_after"`
	ArriveBefore *time.Time `json:"arrive_before"`
}

func (s *Server) placeOrder(c *gin.Context, tx *db.Tx, body []byte) (reply, error) {
	if who(c).Role == account.Operator {
		return reply{}, errRidersOnly
	}
	in, err := decode[orderIn](body)
	if err != nil {
		return reply{}, err
	}
	route, err := routeIn{in.Origin, in.Destination, in.Seats}.route()
	if err != nil {
		return reply{}, err
	}
	o, err := s.Orders.Place(tx, who(c).UserID, order.Wish{Route: route, DepartAfter: in.DepartAfter, ArriveBefore: in.ArriveBefore})
	if err != nil {
		return reply{}, err
	}
	ctx := c.Request.Context()
	tx.After(func() { s.Log.InfoContext(ctx, "order accepted", slog.String("order_id", o.ID.String())) })
	return reply{status: http.StatusAccepted, location: "/v1/orders/" + o.ID.String(), body: s.orderOf(o, pay.Payment{Status: pay.None})}, nil
}

// orderFor returns the order in the path when the signed-in user may see it:
// riders their own, operators all.
func (s *Server) orderFor(c *gin.Context) (order.Order, error) {
	id, err := pathID(c, order.ErrNotFound)
	if err != nil {
		return order.Order{}, err
	}
	s.annotate(c, slog.String("order_id", id.String()))
	o, err := s.Orders.Get(c.Request.Context(), id)
	if err != nil {
		return o, err
	}
	if me := who(c); me.Role != account.Operator && me.UserID != o.RiderID {
		return o, order.ErrNotFound
	}
	return o, nil
}

func (s *Server) getOrder(c *gin.Context) {
	out, err := s.orderWithFlow(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, out)
}

// orderWithFlow reads the flow before the order, so that an order whose flow is
// shown as ended is shown as the flow left it.
func (s *Server) orderWithFlow(c *gin.Context) (orderOut, error) {
	ctx := c.Request.Context()
	id, err := pathID(c, order.ErrNotFound)
	if err != nil {
		return orderOut{}, err
	}
	flow, ok, err := s.Jobs.FlowOf(ctx, id)
	if err != nil {
		return orderOut{}, err
	}
	o, err := s.orderFor(c)
	if err != nil {
		return orderOut{}, err
	}
	payments, err := s.Payments.Of(ctx, id)
	if err != nil {
		return orderOut{}, err
	}
	out := s.orderOf(o, payments[id])
	if err := s.rated(c, o, &out); err != nil {
		return orderOut{}, err
	}
	if ok {
		out.Flow = flowOf(flow, who(c).Role == account.Operator)
	}
	return out, nil
}

func (s *Server) listOrders(c *gin.Context) {
	after, limit, err := pageIn(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	filter := order.Filter{Rider: owner(c), Status: order.Status(c.Query("status"))}
	if filter.Status != "" && !filter.Status.Known() {
		s.refuse(c, fault.Fieldf("status", "status_unknown", "there is no status %q", string(filter.Status)))
		return
	}
	ctx := c.Request.Context()
	orders, err := s.Orders.List(ctx, filter, after, limit+1)
	if err != nil {
		s.refuse(c, err)
		return
	}
	ids := make([]uuid.UUID, len(orders))
	for i, o := range orders {
		ids[i] = o.ID
	}
	payments, err := s.Payments.Of(ctx, ids...)
	if err != nil {
		s.refuse(c, err)
		return
	}
	sendPage(c, orders, limit, func(o order.Order) uuid.UUID { return o.ID },
		func(o order.Order) orderOut { return s.orderOf(o, payments[o.ID]) })
}

func (s *Server) cancelOrder(c *gin.Context, tx *db.Tx, body []byte) (reply, error) {
	id, err := s.target(c, body, order.ErrNotFound, "order_id")
	if err != nil {
		return reply{}, err
	}
	o, err := s.Orders.Cancel(tx, id, owner(c))
	if err != nil {
		return reply{}, err
	}
	return s.orderReply(tx, http.StatusOK, o)
}

func (s *Server) orderReply(tx *db.Tx, status int, o order.Order) (reply, error) {
	payment, err := s.Payments.In(tx, o.ID)
	return reply{status: status, body: s.orderOf(o, payment)}, err
}

// refundOrder has given back what an order was charged.
func (s *Server) refundOrder(c *gin.Context, tx *db.Tx, body []byte) (reply, error) {
	id, err := s.target(c, body, order.ErrNotFound, "order_id")
	if err != nil {
		return reply{}, err
	}
	o, err := s.Orders.In(tx, id)
	if err != nil {
		return reply{}, err
	}
	granted, err := s.Payments.GrantRefund(tx, id)
	if err != nil {
		return reply{}, err
	}
	if granted {
		if err := s.Jobs.Dispatch(tx, pay.Refund(id), notify.About(id, notify.Refunded)); err != nil {
			return reply{}, err
		}
	}
	return s.orderReply(tx, http.StatusAccepted, o)
}

package httpapi

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
)

const identityKey = "identity"

// cookieName holds an operator's token for asynqmon, whose pages cannot send a header.
const cookieName = "spotpool_operator"

var (
	errNotSignedIn = fault.New(fault.Unauthorized, "not_signed_in", "send a token as Authorization: Bearer …")
	errDriversOnly = fault.New(fault.Forbidden, "drivers_only", "only drivers may do this; sign in with the role driver")
	errRidersOnly  = fault.New(fault.Forbidden, "riders_only", "operators watch; sign in as a rider to order")
	errOperators   = fault.New(fault.Forbidden, "operators_only", "only operators may do this")
)

// authenticate admits requests with a valid token.
func (s *Server) authenticate(c *gin.Context) {
	text, ok := strings.CutPrefix(c.GetHeader("Authorization"), "Bearer ")
	if !ok {
		s.refuse(c, errNotSignedIn)
		return
	}
	who, err := s.Accounts.Verify(text)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.Set(identityKey, who)
}

// who returns the signed-in user; the zero identity before signing in.
func who(c *gin.Context) account.Identity {
	id, _ := c.Get(identityKey)
	who, _ := id.(account.Identity)
	return who
}

// operatorsOnly admits operators, by token or by cookie, and sends a browser
// that is neither to the page where one signs in.
func (s *Server) operatorsOnly(c *gin.Context) {
	text, ok := strings.CutPrefix(c.GetHeader("Authorization"), "Bearer ")
	if !ok {
		text, _ = c.Cookie(cookieName)
	}
	who, err := s.Accounts.Verify(text)
	switch {
	case err == nil && who.Role == account.Operator:
		c.Set(identityKey, who)
	case strings.Contains(c.GetHeader("Accept"), "text/html"):
		c.Redirect(http.StatusSeeOther, "/#operator")
		c.Abort()
	case err == nil:
		s.refuse(c, errOperators)
	default:
		s.refuse(c, errNotSignedIn)
	}
}

// only admits signed-in users of a role and refuses others with the given error.
func (s *Server) only(role account.Role, refusal error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if who(c).Role != role {
			s.refuse(c, refusal)
		}
	}
}

// owner returns whose things the signed-in user may deal with: uuid.Nil stands for
// everybody's, which are an operator's.
func owner(c *gin.Context) uuid.UUID {
	if me := who(c); me.Role != account.Operator {
		return me.UserID
	}
	return uuid.Nil
}

// setCookie gives an operator's browser the cookie that opens asynqmon. It goes
// to asynqmon alone and is not sent from other sites.
func (s *Server) setCookie(c *gin.Context) {
	token, _ := strings.CutPrefix(c.GetHeader("Authorization"), "Bearer ")
	http.SetCookie(c.Writer, &http.Cookie{
		Name: cookieName, Value: token, Path: MonitorRoot, HttpOnly: true,
		SameSite: http.SameSiteStrictMode, Secure: c.Request.TLS != nil,
	})
	c.Status(http.StatusNoContent)
}

// clearCookie takes the cookie back, for whoever has it.
func (s *Server) clearCookie(c *gin.Context) {
	http.SetCookie(c.Writer, &http.Cookie{Name: cookieName, Path: MonitorRoot, HttpOnly: true, MaxAge: -1})
	c.Status(http.StatusNoContent)
}

type codeIn struct {
	Phone string `json:"phone"`
}

func (s *Server) requestCode(c *gin.Context, tx *db.Tx, body []byte) (reply, error) {
	in, err := decode[codeIn](body)
	if err != nil {
		return reply{}, err
	}
	if in.Phone == "" {
		return reply{}, missing("phone")
	}
	if err := s.Accounts.RequestCode(tx, in.Phone); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusAccepted, body: gin.H{"status": "sent"}}, nil
}

type signInIn struct {
	Phone string       `json:"phone"`
	Code  string       `json:"code"`
	Role  account.Role `json:"role"`
}

type userOut struct {
	ID   string       `json:"id"`
	Role account.Role `json:"role"`
}

type tokenOut struct {
	Token     string  `json:"token"`
	ExpiresAt string  `json:"expires_at"`
	User      userOut `json:"user"`
}

func (s *Server) signIn(c *gin.Context, tx *db.Tx, body []byte) (reply, error) {
	in, err := decode[signInIn](body)
	if err != nil {
		return reply{}, err
	}
	switch {
	case in.Phone == "":
		return reply{}, missing("phone")
	case in.Code == "":
		return reply{}, missing("code") // costs no try
	}
	session, err := s.Accounts.SignIn(tx, in.Phone, in.Code, in.Role)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, refused: session.Refused, body: tokenOut{
		Token: session.Token.Text, ExpiresAt: stamp(session.Token.ExpiresAt),
		User: userOut{ID: session.User.ID.String(), Role: session.User.Role},
	}}, nil
}

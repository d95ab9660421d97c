package httpapi

import (
	_ "embed"
	"net/http"

	"github.com/gin-gonic/gin"
)

// Description is the API's OpenAPI 3.1 document. A test holds it against the
// routes, and real answers against it.
//
//go:embed openapi.yaml
var Description []byte

func (s *Server) openapi(c *gin.Context) {
	c.Data(http.StatusOK, "application/yaml; charset=utf-8", Description)
}

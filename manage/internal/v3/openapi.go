package v3

import (
	"context"
	_ "embed"
	"encoding/json"
	"net/http"

	"github.com/listhook/webhook/manage/internal/account"
)

//go:embed openapi.json
var openAPI []byte

func viewOpenAPI(context.Context, *account.Caller, *http.Request) (int, any, error) {
	return http.StatusOK, json.RawMessage(openAPI), nil
}

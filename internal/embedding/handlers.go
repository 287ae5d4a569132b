package embedding

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"

	"github.com/listhook/webhook"
)

func (a *app) opened(ctx context.Context, campaign, subscriber string) {
	if !a.hooks.Wants(ctx, "", webhook.TypeOpen, webhook.SourcePublic) {
		return // nobody wants it, so nothing is loaded
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	who, err := a.subscriber(ctx, subscriber)
	if err == nil {
		err = a.hooks.EmitBuffered(ctx, webhook.Open{
			Meta:       webhook.Meta{Lists: []string{"12"}, Source: webhook.SourcePublic},
			Subscriber: who,
			Campaign:   webhook.Campaign{ID: campaign, Name: "News"},
		})
	}
	if err != nil {
		slog.Error("webhooks: an open is lost", "error", err)
	}
}

func onServeMux(a *app) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /open/{campaign}/{subscriber}", func(w http.ResponseWriter, r *http.Request) {
		a.opened(context.WithoutCancel(r.Context()), r.PathValue("campaign"), r.PathValue("subscriber"))
		w.Header().Set("Content-Type", "image/gif")
		_, _ = w.Write(pixel)
	})
	return mux
}

func onChi(a *app) http.Handler {
	router := chi.NewRouter()
	router.Get("/open/{campaign}/{subscriber}", func(w http.ResponseWriter, r *http.Request) {
		a.opened(context.WithoutCancel(r.Context()), chi.URLParam(r, "campaign"), chi.URLParam(r, "subscriber"))
		w.Header().Set("Content-Type", "image/gif")
		_, _ = w.Write(pixel)
	})
	return router
}

func onEcho(a *app) http.Handler {
	e := echo.New()
	e.GET("/open/:campaign/:subscriber", func(c echo.Context) error {
		a.opened(context.WithoutCancel(c.Request().Context()), c.Param("campaign"), c.Param("subscriber"))
		return c.Blob(http.StatusOK, "image/gif", pixel)
	})
	return e
}

func onGin(a *app) http.Handler {
	router := gin.New()
	router.GET("/open/:campaign/:subscriber", func(c *gin.Context) {
		a.opened(context.WithoutCancel(c.Request.Context()), c.Param("campaign"), c.Param("subscriber"))
		c.Data(http.StatusOK, "image/gif", pixel)
	})
	return router
}

var pixel = []byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01D\x00;")

// subscriber loads a subscriber.
func (a *app) subscriber(ctx context.Context, id string) (webhook.Subscriber, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return webhook.Subscriber{}, err
	}
	s := webhook.Subscriber{ID: id}
	err = a.db.QueryRowContext(ctx, `select email from subscribers where id = $1`, n).Scan(&s.Email)
	return s, err
}

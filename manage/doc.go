// Package manage lets an app's customers manage their webhooks: a page, and
// the two APIs that clients written for ActiveCampaign speak, behind one
// http.Handler.
//
// The app says who asks, and what they may do; everything else is done here:
//
//	h, err := manage.Handler(dispatcher, &manage.Options{
//		Session: func(r *http.Request) (manage.Access, error) {
//			user, ok := login(r) // the app's own
//			if !ok {
//				return manage.Access{}, manage.ErrNoSession
//			}
//			return manage.Access{Account: user.Account, View: true, Manage: user.Admin}, nil
//		},
//		Key: func(ctx context.Context, key string) (manage.Access, error) {
//			account, ok := accountOfKey(ctx, key)
//			return manage.Access{Account: account, Manage: ok}, nil
//		},
//		Lists: func(ctx context.Context, account string) ([]manage.List, error) {
//			return listsOf(ctx, account)
//		},
//	})
//	…
//	mux.Handle("/webhooks/", h)
//
// # Where it is mounted
//
// Any prefix will do, since all links are relative. Under a pattern of
// http.ServeMux that ends in a slash the handler finds its prefix by itself,
// with http.StripPrefix before it or not; behind another router,
// http.StripPrefix takes the prefix off. Clients that look for the APIs at the
// host's root are served by APIs; docs/api.md shows both on several routers.
//
// # What it serves
//
// Below the prefix are the page, "admin/api.php" (the older API, v1),
// "api/3/" (the newer one, v3), and "api/3/listhook/", which ActiveCampaign
// does not have: the log, resending, tests, enabling, disabling, secrets.
// "api/3/listhook/openapi.json" describes v3 and what is beside it. The older
// API's clients are given the prefix as the account's URL.
//
// # What it protects
//
// Every call is made in the account that Session or Key returned: an ID of
// another account is not found. Without Session the page, and without Key the
// APIs, refuse everybody. Changes on the page are refused when another site
// asked the browser for them, which net/http's CrossOriginProtection tells by
// what browsers say of a request's origin, on plain http too. The page's
// content security policy allows no script, style or frame but its own.
// Whatever customers and receivers wrote is shown as text.
package manage

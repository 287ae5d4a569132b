// Package account is what the page and the two APIs do in the account of
// whoever asks. They differ in how they read requests and write answers; what
// they do is here, once.
//
// A Service belongs to a handler: it holds the dispatcher, what the app told of
// itself, and the rate of each account's calls. From an Access (who asks, with
// which rights) it makes a Caller for one request, and every call of the
// dispatcher names the Caller's account. So an ID of another account is not
// found, whatever a client sends.
//
// Besides there are the words that the page and the APIs use alike: when a
// delivery is attempted next, a place in the log as a text, and how event types,
// sources and lists are read.
package account

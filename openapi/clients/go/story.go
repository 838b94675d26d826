// The story that every generated client lives through, with this one: what compiles and passes
// `go vet` has the types that the document promises, and what runs has the values.
//
// TOKENHOUSE_URL and TOKENHOUSE_OPERATOR_TOKEN say where the server is and who runs it.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oapi-codegen/nullable"

	"github.com/tokenhouse/tokenhouse/openapi/clients/go/tokenhouse"
)

const (
	email    = "ada@example.com"
	password = "correct horse battery staple"
)

func done(step string) { fmt.Println("step:", step) }

// check ends the story when something isn't as the document says.
func check(holds bool, what string, got ...any) {
	if !holds {
		log.Fatal(append([]any{what, " "}, got...)...)
	}
}

func ok[T any](value T, err error) T {
	check(err == nil, "no answer:", err)
	return value
}

// to points at a value: what is optional, and what is only written (a password), is a pointer.
func to[T any](value T) *T { return &value }

// bearer is all there is to authentication: a function that edits the request.
func bearer(token string) tokenhouse.RequestEditorFn {
	return func(_ context.Context, request *http.Request) error {
		request.Header.Set("Authorization", "Bearer "+token)
		return nil
	}
}

// basic authenticates a client at the token endpoint (RFC 6749 §2.3.1).
func basic(id, secret string) tokenhouse.RequestEditorFn {
	return func(_ context.Context, request *http.Request) error {
		request.SetBasicAuth(id, secret)
		return nil
	}
}

// tokens are those of a session: its discriminator says which of the two it is.
func tokens(session *tokenhouse.SignedIn) tokenhouse.TokenSession {
	check(session != nil, "no session")
	body, isBody := ok(session.ValueByDiscriminator()).(tokenhouse.TokenSession)
	check(isBody, "the tokens are not in the body")
	return body
}

func main() {
	ctx := context.Background()
	api := ok(tokenhouse.NewClientWithResponses(os.Getenv("TOKENHOUSE_URL")))
	operator := bearer(os.Getenv("TOKENHOUSE_OPERATOR_TOKEN"))
	slug := "go-" + strconv.FormatInt(time.Now().UnixNano(), 36)

	tenant := ok(api.CreateTenantWithResponse(ctx, nil, tokenhouse.CreateTenantBody{
		Slug: slug,
		Name: nullable.NewNullableWithValue("Go"),
	}, operator))
	check(tenant.JSON201 != nil, "create_tenant", tenant.Status())
	check(tenant.JSON201.Slug == slug, "slug", tenant.JSON201.Slug)
	done("create a tenant")

	reports := ok(api.CreateClientWithResponse(ctx, slug, nil, tokenhouse.CreateClientBody{
		ClientName: nullable.NewNullableWithValue("Reports"),
		GrantTypes: nullable.NewNullableWithValue([]string{"client_credentials"}),
		Scope:      nullable.NewNullableWithValue("tokenhouse:admin:read"),
	}, operator)).JSON201
	check(reports != nil && reports.ClientSecret != nil, "create_client")
	done("create a client")

	user := ok(api.SignupWithResponse(ctx, slug, tokenhouse.SignupBody{
		Name:      "Ada Lovelace",
		Email:     email,
		Password:  to(password),
		AvatarUrl: nullable.NewNullableWithValue("https://example.com/ada.png"),
	})).JSON201
	check(user != nil && user.Email == email, "signup")
	done("sign up")

	taken := ok(api.SignupWithResponse(ctx, slug, tokenhouse.SignupBody{
		Name: "Ada", Email: email, Password: to(password),
	})).ApplicationproblemJSON409
	check(taken != nil, "no problem")
	check(strings.HasSuffix(taken.Type, "/problems/email-taken"), "type", taken.Type)
	done("email-taken is a typed problem")

	login := func(password string) *tokenhouse.LoginResponse {
		return ok(api.LoginWithResponse(ctx, slug, tokenhouse.LoginBody{
			Email: email, Password: to(password), Delivery: to(tokenhouse.DeliveryBody),
		}))
	}
	session := tokens(login(password).JSON200)
	check(session.User.UserId == user.UserId, "user", session.User.UserId)
	done("log in")

	refused := login("wrong").ApplicationproblemJSON401
	check(refused != nil, "no problem")
	check(strings.HasSuffix(refused.Type, "/problems/wrong-credentials"), "type", refused.Type)
	done("wrong-credentials is a typed problem")

	refresh := func(token string) *tokenhouse.RefreshSessionResponse {
		return ok(api.RefreshSessionWithResponse(ctx, slug, tokenhouse.RefreshTokenBody{
			RefreshToken: nullable.NewNullableWithValue(token),
		}))
	}
	successor := tokens(refresh(session.RefreshToken).JSON200)
	check(successor.RefreshToken != session.RefreshToken, "the token did not rotate")
	done("refresh")

	again := tokens(refresh(session.RefreshToken).JSON200)
	check(again.RefreshToken == successor.RefreshToken, "another successor")
	done("a retried refresh has the same successor")

	current := ok(api.GetCurrentUserWithResponse(ctx, slug, bearer(again.AccessToken))).JSON200
	check(current != nil && current.UserId == user.UserId, "get_current_user")
	check(current.CreatedAt.Equal(user.CreatedAt), "created_at", current.CreatedAt)
	check(current.AvatarUrl.MustGet() == "https://example.com/ada.png", "avatar_url")
	done("current user")

	emails := []string{email}
	for _, name := range []string{"grace", "alan", "edsger", "barbara"} {
		made := ok(api.CreateUserWithResponse(ctx, slug, nil, tokenhouse.CreateUserBody{
			Name: nullable.NewNullableWithValue(name), Email: name + "@example.com",
		}, operator)).JSON201
		check(made != nil, "create_user")
		emails = append(emails, made.Email)
	}
	var listed []string
	pages := 0
	params := &tokenhouse.ListUsersParams{Limit: to(int32(2))}
	for {
		page := ok(api.ListUsersWithResponse(ctx, slug, params, operator)).JSON200
		check(page != nil, "list_users")
		for _, item := range page.Items {
			listed = append(listed, item.Email)
		}
		pages++
		if page.NextCursor.IsNull() {
			break
		}
		params.Cursor = to(page.NextCursor.MustGet())
	}
	slices.Sort(emails)
	slices.Sort(listed)
	check(pages == 3 && slices.Equal(emails, listed), "pages", pages, listed)
	done("list users page by page")

	changed := ok(api.UpdateUserWithResponse(ctx, slug, user.UserId.String(), nil, tokenhouse.UserChange{
		Name:      to("Ada"),
		AvatarUrl: nullable.NewNullNullable[string](),
	}, operator)).JSON200
	check(changed != nil && changed.Name == "Ada" && changed.Email == email, "update_user")
	check(changed.AvatarUrl.IsNull(), "avatar_url", changed.AvatarUrl)
	done("clear one member with null")

	exchange := func(scope *string, as tokenhouse.RequestEditorFn) *tokenhouse.ExchangeTokenResponse {
		return ok(api.ExchangeTokenWithFormdataBodyWithResponse(ctx, slug, tokenhouse.TokenForm{
			GrantType: "client_credentials", Scope: scope,
		}, as))
	}
	granted := exchange(to("tokenhouse:admin:read"), basic(reports.ClientId, *reports.ClientSecret)).JSON200
	check(granted != nil, "exchange_token")
	read := ok(api.ListUsersWithResponse(ctx, slug, nil, bearer(granted.AccessToken))).JSON200
	check(read != nil && len(read.Items) == len(emails), "list_users")
	done("exchange client credentials")

	unknown := exchange(nil, basic("nobody", "nothing")).JSON401
	check(unknown != nil && unknown.Error == "invalid_client", "no OAuth error", unknown)
	done("invalid_client is a typed OAuth error")

	left := ok(api.LogoutWithResponse(ctx, slug, tokenhouse.RefreshTokenBody{
		RefreshToken: nullable.NewNullableWithValue(again.RefreshToken),
	}))
	check(left.StatusCode() == http.StatusNoContent, "logout", left.Status())
	check(refresh(again.RefreshToken).ApplicationproblemJSON401 != nil, "the session goes on")
	done("log out")
}

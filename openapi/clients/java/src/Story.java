import com.tokenhouse.client.ApiClient;
import com.tokenhouse.client.ApiException;
import com.tokenhouse.client.api.ClientsApi;
import com.tokenhouse.client.api.ClientsApi.APICreateClientRequest;
import com.tokenhouse.client.api.OAuthApi;
import com.tokenhouse.client.api.OAuthApi.APIExchangeTokenRequest;
import com.tokenhouse.client.api.SessionApi;
import com.tokenhouse.client.api.TenantsApi;
import com.tokenhouse.client.api.TenantsApi.APICreateTenantRequest;
import com.tokenhouse.client.api.UsersApi;
import com.tokenhouse.client.api.UsersApi.APICreateUserRequest;
import com.tokenhouse.client.api.UsersApi.APIListUsersRequest;
import com.tokenhouse.client.api.UsersApi.APIUpdateUserRequest;
import com.tokenhouse.client.model.ClientInformation;
import com.tokenhouse.client.model.CreateClientBody;
import com.tokenhouse.client.model.CreateTenantBody;
import com.tokenhouse.client.model.CreateUserBody;
import com.tokenhouse.client.model.Delivery;
import com.tokenhouse.client.model.LoginBody;
import com.tokenhouse.client.model.OAuthError;
import com.tokenhouse.client.model.Problem;
import com.tokenhouse.client.model.RefreshTokenBody;
import com.tokenhouse.client.model.SignedIn;
import com.tokenhouse.client.model.SignupBody;
import com.tokenhouse.client.model.Tenant;
import com.tokenhouse.client.model.TokenResponse;
import com.tokenhouse.client.model.TokenSession;
import com.tokenhouse.client.model.User;
import com.tokenhouse.client.model.UserChange;
import com.tokenhouse.client.model.UserInfo;
import com.tokenhouse.client.model.UserPage;

import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.List;

/**
 * The story that every generated client lives through, with this one: what compiles without a
 * warning here has the types that the document promises, and what runs has the values.
 *
 * <p>TOKENHOUSE_URL and TOKENHOUSE_OPERATOR_TOKEN say where the server is and who runs it.
 */
public final class Story {
  private static final String EMAIL = "ada@example.com";
  private static final String PASSWORD = "correct horse battery staple";
  private static final String SLUG = "java-" + Long.toString(System.nanoTime(), 36);

  private Story() {}

  private static void done(String step) {
    System.out.println("step: " + step);
  }

  private static void check(boolean holds, Object got) {
    if (!holds) {
      throw new AssertionError(got);
    }
  }

  /** Authentication is a header that an interceptor sets. */
  private static ApiClient as(String authorization) {
    ApiClient client = new ApiClient();
    client.updateBaseUri(System.getenv("TOKENHOUSE_URL"));
    if (authorization != null) {
      client.setRequestInterceptor(request -> request.header("Authorization", authorization));
    }
    return client;
  }

  private static ApiClient bearer(String token) {
    return as("Bearer " + token);
  }

  /** A client at the token endpoint (RFC 6749 §2.3.1). */
  private static ApiClient basic(String id, String secret) {
    byte[] both = (id + ":" + secret).getBytes(StandardCharsets.UTF_8);
    return as("Basic " + Base64.getEncoder().encodeToString(both));
  }

  private interface Call {
    void run() throws ApiException;
  }

  /** The error of a call, as the type that the document gives it. */
  private static <T> T error(int status, Class<T> type, Call call) throws IOException {
    try {
      call.run();
    } catch (ApiException refused) {
      check(refused.getCode() == status, refused);
      return ApiClient.createDefaultObjectMapper().readValue(refused.getResponseBody(), type);
    }
    throw new AssertionError("not refused");
  }

  private static TokenResponse exchange(ApiClient client, String scope) throws ApiException {
    return new OAuthApi(client)
        .exchangeToken(
            APIExchangeTokenRequest.newBuilder()
                .tenant(SLUG)
                .grantType("client_credentials")
                .resource(List.of())
                .scope(scope)
                .build());
  }

  /** Runs it. */
  public static void main(String[] arguments) throws ApiException, IOException {
    ApiClient operator = bearer(System.getenv("TOKENHOUSE_OPERATOR_TOKEN"));
    SessionApi sessions = new SessionApi(as(null));
    UsersApi users = new UsersApi(operator);

    Tenant tenant =
        new TenantsApi(operator)
            .createTenant(
                APICreateTenantRequest.newBuilder()
                    .createTenantBody(new CreateTenantBody().slug(SLUG).name("Java"))
                    .build());
    check(tenant.getSlug().equals(SLUG), tenant);
    done("create a tenant");

    ClientInformation reports =
        new ClientsApi(operator)
            .createClient(
                APICreateClientRequest.newBuilder()
                    .tenant(SLUG)
                    .createClientBody(
                        new CreateClientBody()
                            .clientName("Reports")
                            .grantTypes(List.of("client_credentials"))
                            .scope("tokenhouse:admin:read"))
                    .build());
    check(reports.getClientSecret() != null, reports);
    done("create a client");

    URI picture = URI.create("https://example.com/ada.png");
    SignupBody ada = new SignupBody().name("Ada Lovelace").email(EMAIL).password(PASSWORD);
    UserInfo user = sessions.signup(SLUG, ada.avatarUrl(picture));
    check(user.getEmail().equals(EMAIL), user);
    done("sign up");

    Problem taken = error(409, Problem.class, () -> sessions.signup(SLUG, ada));
    check(taken.getType().getPath().equals("/problems/email-taken"), taken);
    done("email-taken is a typed problem");

    LoginBody login = new LoginBody().email(EMAIL).password(PASSWORD).delivery(Delivery.BODY);
    SignedIn signedIn = sessions.login(SLUG, login);
    check(signedIn.getActualInstance() instanceof TokenSession, signedIn);
    TokenSession session = signedIn.getTokenSession();
    check(session.getUser().getUserId().equals(user.getUserId()), session);
    done("log in");

    LoginBody wrong = new LoginBody().email(EMAIL).password("wrong");
    Problem refused = error(401, Problem.class, () -> sessions.login(SLUG, wrong));
    check(refused.getType().getPath().equals("/problems/wrong-credentials"), refused);
    done("wrong-credentials is a typed problem");

    RefreshTokenBody first = new RefreshTokenBody().refreshToken(session.getRefreshToken());
    TokenSession successor = sessions.refreshSession(SLUG, first).getTokenSession();
    check(!successor.getRefreshToken().equals(session.getRefreshToken()), "not rotated");
    done("refresh");

    TokenSession again = sessions.refreshSession(SLUG, first).getTokenSession();
    check(again.getRefreshToken().equals(successor.getRefreshToken()), "another successor");
    done("a retried refresh has the same successor");

    UserInfo current = new SessionApi(bearer(again.getAccessToken())).getCurrentUser(SLUG);
    check(current.equals(user), current);
    done("current user");

    List<String> emails = new ArrayList<>(List.of(EMAIL));
    for (String name : List.of("grace", "alan", "edsger", "barbara")) {
      CreateUserBody body = new CreateUserBody().name(name).email(name + "@example.com");
      APICreateUserRequest request =
          APICreateUserRequest.newBuilder().tenant(SLUG).createUserBody(body).build();
      emails.add(users.createUser(request).getEmail());
    }
    List<String> listed = new ArrayList<>();
    int pages = 0;
    String cursor = null;
    do {
      UserPage page =
          users.listUsers(
              APIListUsersRequest.newBuilder().tenant(SLUG).limit(2).cursor(cursor).build());
      page.getItems().forEach(item -> listed.add(item.getEmail()));
      cursor = page.getNextCursor();
      pages += 1;
    } while (cursor != null);
    Collections.sort(emails);
    Collections.sort(listed);
    check(pages == 3 && listed.equals(emails), listed);
    done("list users page by page");

    UserChange change = new UserChange().name("Ada").avatarUrl(null);
    User changed =
        users.updateUser(
            APIUpdateUserRequest.newBuilder()
                .tenant(SLUG)
                .userId(user.getUserId().toString())
                .userChange(change)
                .build());
    check(changed.getName().equals("Ada") && changed.getEmail().equals(EMAIL), changed);
    check(changed.getAvatarUrl() == null, changed);
    done("clear one member with null");

    ApiClient machine = basic(reports.getClientId(), reports.getClientSecret());
    TokenResponse granted = exchange(machine, "tokenhouse:admin:read");
    UserPage read =
        new UsersApi(bearer(granted.getAccessToken()))
            .listUsers(APIListUsersRequest.newBuilder().tenant(SLUG).build());
    check(read.getItems().size() == emails.size(), read);
    done("exchange client credentials");

    OAuthError unknown =
        error(401, OAuthError.class, () -> exchange(basic("nobody", "nothing"), null));
    check(unknown.getError().equals("invalid_client"), unknown);
    done("invalid_client is a typed OAuth error");

    RefreshTokenBody last = new RefreshTokenBody().refreshToken(again.getRefreshToken());
    check(sessions.logoutWithHttpInfo(SLUG, last).getStatusCode() == 204, "logout");
    error(401, Problem.class, () -> sessions.refreshSession(SLUG, last));
    done("log out");
  }
}

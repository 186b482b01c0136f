// Verifies an assertion with Microsoft.IdentityModel. Reads it from standard input, prints its claims as JSON, or says why not and exits with 1.
using System.Text.Json;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

static string Setting(string name) => Environment.GetEnvironmentVariable(name) ?? throw new InvalidOperationException($"{name} is not set");

// Keep the keys; fetch them again when an unknown kid comes, at most once a minute.
using var http = new HttpClient();
var keys = new JsonWebKeySet(await http.GetStringAsync(Setting("ENTRADA_JWKS_URL")));

var rules = new TokenValidationParameters
{
    ValidTypes = ["entrada+jwt"],
    ValidAlgorithms = [SecurityAlgorithms.EcdsaSha256],
    IssuerSigningKeys = keys.GetSigningKeys(),
    TryAllIssuerSigningKeys = false,
    ValidIssuer = Setting("ENTRADA_ISSUER"),
    ValidAudience = Setting("ENTRADA_AUDIENCE"),
    RequireSignedTokens = true,
    RequireExpirationTime = true,
    ValidateLifetime = true,
    ClockSkew = TimeSpan.FromSeconds(5),
};

// The claims of an assertion (the header X-Entrada-Assertion).
async Task<IDictionary<string, object>> Verify(string assertion)
{
    var result = await new JsonWebTokenHandler().ValidateTokenAsync(assertion, rules);
    if (!result.IsValid) throw result.Exception;
    if (!result.Claims.ContainsKey("nbf") || !result.Claims.ContainsKey("sub")) throw new SecurityTokenException("nbf or sub is missing");
    return result.Claims;
}

try
{
    Console.WriteLine(JsonSerializer.Serialize(await Verify((await Console.In.ReadToEndAsync()).Trim())));
    return 0;
}
catch (Exception error)
{
    Console.Error.WriteLine($"refused: {error.Message}");
    return 1;
}

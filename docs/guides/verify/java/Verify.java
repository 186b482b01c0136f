import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Set;

/** Verifies an assertion with Nimbus JOSE + JWT. Reads it from standard input, prints its claims as JSON, or says why not and exits with 1. */
public final class Verify {
    private final DefaultJWTProcessor<SecurityContext> processor = new DefaultJWTProcessor<>();

    /** Made once: it keeps the keys, and asks again when it meets an unknown kid. */
    Verify(String jwksUrl, String issuer, String audience) throws Exception {
        var keys = JWKSourceBuilder.create(URI.create(jwksUrl).toURL()).build();
        var expected = new JWTClaimsSet.Builder().issuer(issuer).build();
        var claims = new DefaultJWTClaimsVerifier<>(audience, expected, Set.of("iss", "aud", "sub", "exp", "nbf"));
        claims.setMaxClockSkew(5);
        processor.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("entrada+jwt")));
        processor.setJWSKeySelector(new JWSVerificationKeySelector<>(JWSAlgorithm.ES256, keys));
        processor.setJWTClaimsSetVerifier(claims);
    }

    /** The claims of an assertion (the header X-Entrada-Assertion). */
    JWTClaimsSet verify(String assertion) throws Exception {
        return processor.process(assertion, null);
    }

    public static void main(String[] args) throws Exception {
        var verifier = new Verify(System.getenv("ENTRADA_JWKS_URL"), System.getenv("ENTRADA_ISSUER"), System.getenv("ENTRADA_AUDIENCE"));
        var assertion = new String(System.in.readAllBytes(), StandardCharsets.US_ASCII).strip();
        try {
            System.out.println(verifier.verify(assertion));
        } catch (Exception error) {
            System.err.println("refused: " + error.getMessage());
            System.exit(1);
        }
    }
}

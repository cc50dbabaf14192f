/*
 * tls.c - TLS in the handler: OpenSSL's blocking calls, a greenlet for each connection, no BIO tricks
 *
 * After grove_patch() SSL_accept(), SSL_read() and SSL_connect() park the greenlet that calls them, because the read(2) and
 * write(2) under them do.  So TLS is nothing a server has to know of: the handler wraps its descriptor, and that is all.  Three
 * clients shake hands at the same time, and all three are served at once, by one kernel thread.  The certificate is made at run
 * time, and verified.
 *
 * Needs: libssl-dev
 */
#include <grove.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLIENTS	3

static SSL_CTX *server_side, *client_side;
static grove_barrier *all_connected;
static size_t most_at_once;

static void die(const char *what)
{
	fprintf(stderr, "tls: %s\n", what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

/* --- a key, and a certificate for "localhost" signed with it ---------------------------------------------------------------- */

static EVP_PKEY *make_key(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	EVP_PKEY *key = NULL;

	if (!ctx || EVP_PKEY_keygen_init(ctx) <= 0 || EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1) <= 0 ||
	    EVP_PKEY_keygen(ctx, &key) <= 0)
		die("no key");
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static X509 *make_certificate(EVP_PKEY *key)
{
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);
	X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost");

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	X509_set_pubkey(cert, key);
	X509_add_ext(cert, names, -1);
	X509_EXTENSION_free(names);
	if (!X509_sign(cert, key, EVP_sha256()))
		die("no certificate");
	return cert;
}

static void make_both_sides(void)
{
	EVP_PKEY *key = make_key();
	X509 *cert = make_certificate(key);

	server_side = SSL_CTX_new(TLS_server_method());
	client_side = SSL_CTX_new(TLS_client_method());
	if (!server_side || !client_side || SSL_CTX_use_certificate(server_side, cert) != 1 ||
	    SSL_CTX_use_PrivateKey(server_side, key) != 1 || X509_STORE_add_cert(SSL_CTX_get_cert_store(client_side), cert) != 1)
		die("no context");
	SSL_CTX_set_verify(client_side, SSL_VERIFY_PEER, NULL);
	X509_free(cert);
	EVP_PKEY_free(key);
}

/* --- the server: shout back ------------------------------------------------------------------------------------------------- */

static void serve(int fd, const struct sockaddr *peer, socklen_t len, void *server)
{
	SSL *ssl = SSL_new(server_side);
	char buf[256];
	int n;

	(void)peer;
	(void)len;
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1) {
		while ((n = SSL_read(ssl, buf, sizeof(buf))) > 0) {
			size_t now = grove_server_handlers(*(grove_server **)server);

			most_at_once = now > most_at_once ? now : most_at_once;
			for (int i = 0; i < n; i++)
				buf[i] = buf[i] >= 'a' && buf[i] <= 'z' ? (char)(buf[i] - 'a' + 'A') : buf[i];
			SSL_write(ssl, buf, n);
		}
		SSL_shutdown(ssl);
	}
	SSL_free(ssl);
}

/* --- the clients ------------------------------------------------------------------------------------------------------------ */

struct client {
	const char *name, *address;
	char said[3][80];		/* printed when all are done, so that the order is theirs */
};

static void *talk(void *arg)
{
	struct client *c = arg;
	int fd = grove_dial(c->address, GROVE_SEC(9)), n;
	SSL *ssl = SSL_new(client_side);
	char buf[64], line[64];

	SSL_set_fd(ssl, fd);
	SSL_set1_host(ssl, c->name);
	SSL_set_tlsext_host_name(ssl, c->name);
	n = SSL_connect(ssl);
	strcpy(c->said[0], n == 1 ? "shakes hands, and knows the certificate" :
	       SSL_get_verify_result(ssl) == X509_V_ERR_HOSTNAME_MISMATCH ? "leaves: the certificate is another's" : "fails");
	grove_barrier_wait(all_connected, GROVE_SEC(9));
	for (int i = 1; n == 1 && i < 3; i++) {
		int len = snprintf(line, sizeof(line), "hello %d", i), got;

		SSL_write(ssl, line, len);
		got = SSL_read(ssl, buf, sizeof(buf));
		snprintf(c->said[i], sizeof(c->said[i]), "says %s, hears %.*s", line, got > 0 ? got : 0, buf);
	}
	if (n == 1)
		SSL_shutdown(ssl);
	SSL_free(ssl);
	close(fd);
	return NULL;
}

int main(void)
{
	struct client client[CLIENTS + 1] = { 0 };
	grove_greenlet *g[CLIENTS + 1];
	grove_server *server;

	signal(SIGPIPE, SIG_IGN);
	if (grove_patch() < 0)
		return 1;
	make_both_sides();
	all_connected = grove_barrier_new(CLIENTS + 1);
	server = grove_server_new("127.0.0.1:0", serve, &server, NULL);
	if (!server || grove_server_start(server) < 0)
		die("cannot listen");
	for (int i = 0; i <= CLIENTS; i++) {
		client[i].name = i < CLIENTS ? "localhost" : "example.org";
		client[i].address = grove_server_address(server);
		g[i] = grove_spawn(talk, &client[i]);
	}
	grove_joinall(g, CLIENTS + 1, 0, GROVE_FOREVER, 0);
	for (int i = 0; i <= CLIENTS; i++) {
		for (int k = 0; k < 3 && client[i].said[k][0]; k++)
			printf("client %d %s\n", i + 1, client[i].said[k]);
		grove_release(g[i]);
	}
	printf("served at once: %s\n", most_at_once >= CLIENTS ? "all of them" : "not all");
	grove_server_stop(server, GROVE_SEC(1));
	grove_server_free(server);
	grove_barrier_free(all_connected);
	SSL_CTX_free(server_side);
	SSL_CTX_free(client_side);
	return 0;
}

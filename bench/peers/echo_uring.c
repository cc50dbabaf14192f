/*
 * echo_uring.c - the echo server by hand on io_uring: one call of io_uring_enter() for all that is there to be done
 *
 *	echo_uring PORT		0: any free port; the one in use is printed
 *
 * Needs: liburing-dev
 * Build: -luring
 * One request accepts all connections, one for each connection receives all its messages, each into a buffer that the kernel
 * takes from a ring; sends are made from the same buffer, which then goes back.  Exit status 77: this kernel has
 * not what it takes.
 */
#define _GNU_SOURCE
#include "../listen.h"
#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#define BUFFERS		4096
#define BUFFER_SIZE	2048
#define NONE		UINT16_MAX

enum what { ACCEPT, RECEIVE, SEND };	/* in the low bits of user_data, beside the connection */

struct conn {
	int fd;
	uint16_t first, last;		/* buffers to be sent; the first is on its way */
	bool receiving, ending;
	struct conn *starved_next;	/* of those whose receiving ended for want of a buffer */
};

static struct io_uring ring;
static struct io_uring_buf_ring *pool;
static char (*buffers)[BUFFER_SIZE];
static struct {
	uint16_t next;
	uint16_t len;
} queued[BUFFERS];
static struct conn *starved;

static struct io_uring_sqe *next_sqe(void)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&ring)))
		io_uring_submit(&ring);
	return sqe;
}

/* After it was prepared, which sets user_data to 0 in some versions of the library */
static void belongs_to(struct io_uring_sqe *sqe, enum what what, struct conn *c)
{
	io_uring_sqe_set_data64(sqe, (uintptr_t)c | what);
}

static void receive(struct conn *c)
{
	struct io_uring_sqe *sqe = next_sqe();

	io_uring_prep_recv_multishot(sqe, c->fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 0;
	belongs_to(sqe, RECEIVE, c);
	c->receiving = true;
}

static void send_first(struct conn *c)
{
	struct io_uring_sqe *sqe = next_sqe();

	io_uring_prep_send(sqe, c->fd, buffers[c->first], queued[c->first].len, MSG_NOSIGNAL | MSG_WAITALL);
	belongs_to(sqe, SEND, c);
}

static void give_back(uint16_t buffer)
{
	io_uring_buf_ring_add(pool, buffers[buffer], BUFFER_SIZE, buffer, io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(pool, 1);
}

/* Nothing of it is with the kernel any more */
static void end_if_done(struct conn *c)
{
	if (!c->ending || c->receiving || c->first != NONE)
		return;
	close(c->fd);
	free(c);
}

static void accept_all(int listener)
{
	struct io_uring_sqe *sqe = next_sqe();

	io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
	belongs_to(sqe, ACCEPT, NULL);
}

static void accepted(const struct io_uring_cqe *cqe, int listener)
{
	struct conn *c = cqe->res >= 0 ? malloc(sizeof(*c)) : NULL;

	if (c) {
		*c = (struct conn){ .fd = cqe->res, .first = NONE, .last = NONE };
		send_at_once(c->fd);
		receive(c);
	} else if (cqe->res >= 0) {
		close(cqe->res);
	}
	if (!(cqe->flags & IORING_CQE_F_MORE))
		accept_all(listener);
}

static void received(struct conn *c, const struct io_uring_cqe *cqe)
{
	c->receiving = cqe->flags & IORING_CQE_F_MORE;
	if (cqe->res > 0) {
		uint16_t buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

		queued[buffer].len = cqe->res;
		queued[buffer].next = NONE;
		if (c->first == NONE) {
			c->first = c->last = buffer;
			send_first(c);
		} else {
			queued[c->last].next = buffer;
			c->last = buffer;
		}
		if (!c->receiving)
			receive(c);
	} else if (cqe->res == -ENOBUFS) {
		c->starved_next = starved;
		starved = c;
	} else {
		c->ending = true;
		end_if_done(c);
	}
}

static void sent(struct conn *c, const struct io_uring_cqe *cqe)
{
	uint16_t buffer = c->first;

	c->first = queued[buffer].next;
	give_back(buffer);
	if (cqe->res < 0) {
		while (c->first != NONE) {
			give_back(c->first);
			c->first = queued[c->first].next;
		}
		shutdown(c->fd, SHUT_RDWR);	/* ends the receiving */
	} else if (c->first != NONE) {
		send_first(c);
	}
	end_if_done(c);
}

static void feed_the_starved(void)
{
	struct conn *c = starved;

	starved = NULL;
	while (c) {
		struct conn *next = c->starved_next;

		receive(c);
		c = next;
	}
}

static bool prepare(void)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, .cq_entries = 32768
	};
	struct io_uring_buf_reg reg = { .ring_entries = BUFFERS };

	if (io_uring_queue_init_params(4096, &ring, &params) < 0)
		return false;
	buffers = aligned_alloc(4096, (size_t)BUFFERS * BUFFER_SIZE);
	pool = aligned_alloc(4096, BUFFERS * sizeof(struct io_uring_buf));
	reg.ring_addr = (uintptr_t)pool;
	if (!buffers || !pool || io_uring_register_buf_ring(&ring, &reg, 0) < 0)
		return false;
	io_uring_buf_ring_init(pool);
	for (int i = 0; i < BUFFERS; i++)
		io_uring_buf_ring_add(pool, buffers[i], BUFFER_SIZE, i, io_uring_buf_ring_mask(BUFFERS), i);
	io_uring_buf_ring_advance(pool, BUFFERS);
	return true;
}

static void take(const struct io_uring_cqe *cqe, int listener)
{
	struct conn *c = (struct conn *)(uintptr_t)(cqe->user_data & ~(uint64_t)3);

	switch ((enum what)(cqe->user_data & 3)) {
	case ACCEPT: accepted(cqe, listener); break;
	case RECEIVE: received(c, cqe); break;
	case SEND: sent(c, cqe); break;
	}
}

int main(int argc, char **argv)
{
	int listener;

	if (!prepare()) {
		fprintf(stderr, "echo_uring: this kernel has no io_uring, or one that is too old\n");
		return 77;
	}
	listener = listen_on(argc > 1 ? atoi(argv[1]) : 0, 0);
	accept_all(listener);
	for (;;) {
		struct io_uring_cqe *cqe;
		unsigned head, n = 0;

		io_uring_submit_and_wait(&ring, 1);
		io_uring_for_each_cqe(&ring, head, cqe) {
			take(cqe, listener);
			n++;
		}
		io_uring_cq_advance(&ring, n);
		if (starved)
			feed_the_starved();
	}
}

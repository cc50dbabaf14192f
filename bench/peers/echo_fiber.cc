/*
 * echo_fiber.cc - the echo server on Boost.Fiber: a fiber per connection
 *
 *	echo_fiber PORT		0: any free port; the one in use is printed
 *
 * Needs: libboost-fiber-dev
 * Build: -lboost_fiber -lboost_context
 * Boost.Fiber has no input and output of its own.  Its scheduler asks what to do when no fiber can run; here that is to wait in
 * an edge-triggered epoll.  A fiber tries, and suspends itself when it would have to wait.
 */
#include "../listen.h"
#include <boost/fiber/all.hpp>
#include <cerrno>
#include <sys/epoll.h>
#include <unistd.h>

namespace fibers = boost::fibers;

static int epoll = epoll_create1(EPOLL_CLOEXEC);

/* A descriptor, and the one fiber that uses it */
struct handle {
	int fd;
	fibers::context *waiter = nullptr;

	explicit handle(int fd) : fd(fd)
	{
		struct epoll_event ev = {};

		ev.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
		ev.data.ptr = this;
		epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
	}
	~handle()
	{
		close(fd);
	}
	handle(const handle &) = delete;

	void wait()
	{
		waiter = fibers::context::active();
		waiter->suspend();
	}

	template <typename Try> ssize_t until_done(Try attempt)
	{
		ssize_t n;

		while ((n = attempt()) == -1 && errno == EAGAIN)
			wait();
		return n;
	}
};

class by_epoll : public fibers::algo::round_robin {
	void suspend_until(const std::chrono::steady_clock::time_point &) noexcept override
	{
		struct epoll_event got[256];
		int n = epoll_wait(epoll, got, 256, -1);

		for (int i = 0; i < n; i++) {
			fibers::context *waiter = std::exchange(static_cast<handle *>(got[i].data.ptr)->waiter, nullptr);

			if (waiter)
				waiter->get_scheduler()->schedule(waiter);
		}
	}
};

static void serve(int fd)
{
	handle h(fd);
	char buf[4096];
	ssize_t n;

	while ((n = h.until_done([&] { return recv(fd, buf, sizeof(buf), 0); })) > 0)
		for (ssize_t sent = 0, m; sent < n; sent += m)
			if ((m = h.until_done([&] { return send(fd, buf + sent, n - sent, MSG_NOSIGNAL); })) == -1)
				return;
}

int main(int argc, char **argv)
{
	fibers::use_scheduling_algorithm<by_epoll>();
	handle listener(listen_on(argc > 1 ? atoi(argv[1]) : 0, SOCK_NONBLOCK));

	for (;;) {
		int fd = listener.until_done([&] { return accept4(listener.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC); });

		if (fd == -1) {
			perror("echo_fiber: accept");
			return 1;
		}
		send_at_once(fd);
		fibers::fiber(fibers::launch::post, serve, fd).detach();
	}
}

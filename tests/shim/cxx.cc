// cxx.cc - C++ on threads: exceptions through frames that waited, futures, thread_local, cancellation that unwinds
#include "t.h"
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

static std::atomic<int> alive, ended;

struct counted {
	counted() { alive++; }
	~counted() { alive--; }
};

struct local {
	int value = 7;
	~local() { ended += value; }
};

static thread_local local mine;
static thread_local std::string text = "fresh";

static int wait_and_throw(int depth, int fd)
{
	counted c;
	char b;

	if (depth > 0)
		return wait_and_throw(depth - 1, fd) + 1;
	std::this_thread::sleep_for(1ms);
	if (read(fd, &b, 1) != 1)
		throw std::logic_error("end");
	throw std::runtime_error(std::string("read ") + b);
}

static void exceptions()
{
	int p[2], n = 0;

	say("-- exceptions");
	must_pipe(p);
	std::vector<std::thread> all;
	std::mutex m;
	for (int i = 0; i < 20; i++)
		all.emplace_back([&] {
			try {
				wait_and_throw(10, p[0]);
			} catch (const std::runtime_error &e) {
				std::lock_guard<std::mutex> g(m);
				n += std::string(e.what()) == "read x";
			}
		});
	std::this_thread::sleep_for(5ms);
	for (int i = 0; i < 20; i++)
		MUST(write(p[1], "x", 1));
	for (auto &t : all)
		t.join();
	say("caught %d, alive %d", n, alive.load());
	close(p[1]);
	try {
		wait_and_throw(3, p[0]);
	} catch (const std::exception &e) {
		say("main caught: %s", e.what());
	}
	/* an exception in flight while others throw theirs */
	std::vector<std::thread> nested;
	std::atomic<int> good{ 0 };
	for (int i = 0; i < 10; i++)
		nested.emplace_back([&good, i] {
			try {
				throw i;
			} catch (int a) {
				std::this_thread::sleep_for(std::chrono::milliseconds(10 - i));
				try {
					throw std::string("inner");
				} catch (const std::string &) {
					std::this_thread::yield();
				}
				try {
					throw;
				} catch (int b) {
					good += a == i && b == i;
				}
			}
		});
	for (auto &t : nested)
		t.join();
	say("each kept its own: %d, uncaught now %d", good.load(), std::uncaught_exceptions());
	close(p[0]);
}

static void locals()
{
	std::vector<std::thread> all;
	std::atomic<int> fresh{ 0 };

	say("-- thread_local");
	for (int i = 0; i < 30; i++)
		all.emplace_back([&fresh, i] {
			fresh += text == "fresh" && mine.value == 7;
			mine.value = i;
			text = std::to_string(i) + std::string(100, 'x');
			std::this_thread::sleep_for(1ms);
			fresh += mine.value == i && text.size() > 100;
		});
	for (auto &t : all)
		t.join();
	say("fresh %d, destroyed to %d, ours %d %s", fresh.load(), ended.load(), mine.value, text.c_str());
}

static void futures()
{
	say("-- futures");
	auto a = std::async(std::launch::async, [] {
		std::this_thread::sleep_for(5ms);
		return 42;
	});
	say("async %d", a.get());
	auto b = std::async(std::launch::async, []() -> int { throw std::out_of_range("far"); });
	try {
		b.get();
	} catch (const std::out_of_range &e) {
		say("async threw %s", e.what());
	}
	std::promise<std::string> p;
	auto f = p.get_future();
	say("not yet %d", f.wait_for(5ms) == std::future_status::timeout);
	std::thread t([&p] {
		std::this_thread::sleep_for(2ms);
		p.set_value("kept");
	});
	say("promise %s", f.get().c_str());
	t.join();
	std::promise<int> broken;
	auto g = broken.get_future();
	{
		std::promise<int> gone = std::move(broken);
	}
	try {
		g.get();
	} catch (const std::future_error &e) {
		say("broken %d", e.code() == std::future_errc::broken_promise);
	}
	std::packaged_task<int(int)> task([](int x) { return x * 2; });
	auto h = task.get_future();
	std::thread u(std::move(task), 21);
	say("task %d", h.get());
	u.join();
	std::vector<std::future<long>> many;
	for (int i = 0; i < 50; i++)
		many.push_back(std::async(std::launch::async, [i] {
			std::this_thread::sleep_for(std::chrono::microseconds(i * 50));
			return static_cast<long>(i);
		}));
	long sum = 0;
	for (auto &x : many)
		sum += x.get();
	say("fifty: %ld", sum);
}

static void queue()
{
	std::mutex m;
	std::condition_variable not_empty;
	std::deque<int> q;
	bool over = false;
	long got = 0;
	std::vector<std::thread> all;

	say("-- condition_variable");
	for (int i = 0; i < 4; i++)
		all.emplace_back([&] {
			std::unique_lock<std::mutex> l(m);
			for (;;) {
				not_empty.wait(l, [&] { return over || !q.empty(); });
				if (q.empty())
					return;
				got += q.front();
				q.pop_front();
			}
		});
	for (int i = 0; i < 2000; i++) {
		{
			std::lock_guard<std::mutex> g(m);
			q.push_back(i);
		}
		not_empty.notify_one();
	}
	{
		std::lock_guard<std::mutex> g(m);
		over = true;
	}
	not_empty.notify_all();
	for (auto &t : all)
		t.join();
	say("got %ld, left %zu", got, q.size());
	std::unique_lock<std::mutex> l(m);
	say("wait_for %d", not_empty.wait_for(l, 5ms) == std::cv_status::timeout);
	say("wait_until %d", not_empty.wait_until(l, std::chrono::system_clock::now() + 5ms) == std::cv_status::timeout);
	l.unlock();
	std::timed_mutex tm;
	tm.lock();
	std::thread t([&] { say("try_lock_for %d", tm.try_lock_for(5ms)); });
	t.join();
	tm.unlock();
	std::shared_mutex sm;
	std::atomic<int> readers{ 0 };
	long value = 0;
	std::vector<std::thread> rw;
	for (int i = 0; i < 6; i++)
		rw.emplace_back([&, i] {
			for (int k = 0; k < 100; k++) {
				if (i % 3 == 0) {
					std::unique_lock<std::shared_mutex> w(sm);
					value++;
				} else {
					std::shared_lock<std::shared_mutex> r(sm);
					readers++;
				}
			}
		});
	for (auto &x : rw)
		x.join();
	say("shared_mutex %ld %d", value, readers.load());
	std::once_flag once;
	int calls = 0, tries = 0;
	std::vector<std::thread> o;
	for (int i = 0; i < 10; i++)
		o.emplace_back([&] {
			std::call_once(once, [&] {
				std::this_thread::sleep_for(2ms);
				calls++;
			});
		});
	for (auto &x : o)
		x.join();
	std::once_flag again;
	for (int i = 0; i < 3; i++)
		try {
			std::call_once(again, [&] {
				if (++tries < 3)
					throw 1;
			});
		} catch (int) {
		}
	say("call_once %d, after exceptions %d", calls, tries);
	static std::atomic<int> made{ 0 };
	struct slow {
		slow()
		{
			std::this_thread::sleep_for(5ms);
			made++;
		}
	};
	std::vector<std::thread> s;
	for (int i = 0; i < 10; i++)
		s.emplace_back([] {
			static slow one;
			(void)one;
		});
	for (auto &x : s)
		x.join();
	say("static local made %d times", made.load());
}

// --- cancellation runs destructors ---

static int place;

struct noisy {
	const char *name;
	~noisy() { say("~%s", name); }
};

static void inner(int fd)
{
	noisy n{ "inner" };
	char c;

	t_here(&place);
	(void)!read(fd, &c, 1);
	say("not here");
}

static void *cancelled(void *arg)
{
	noisy n{ "outer" };

	try {
		noisy m{ "middle" };
		inner(*static_cast<int *>(arg));
	} catch (...) {
		say("caught by ...");
		throw;
	}
	return nullptr;
}

static void *exits(void *)
{
	noisy n{ "exiting" };

	pthread_exit(reinterpret_cast<void *>(9));
}


static void *cancelled_in_sleep(void *)
{
	noisy n{ "sleeper" };

	t_here(&place);
	sleep(50);
	return nullptr;
}

static void cancellation()
{
	int p[2];

	say("-- cancellation");
	must_pipe(p);
	place = 0;
	pthread_t t = start(cancelled, &p[0]);
	wait_parked(&place);
	pthread_cancel(t);
	say("cancelled %d", join(t) == PTHREAD_CANCELED);
	say("pthread_exit %ld", reinterpret_cast<long>(join(start(exits, nullptr))));
	place = 0;
	t = start(cancelled_in_sleep, nullptr);
	wait_parked(&place);
	pthread_cancel(t);
	say("cancelled %d", join(t) == PTHREAD_CANCELED);
	close2(p);
}

static void threads()
{
	say("-- thread");
	std::thread t([] { std::this_thread::sleep_for(1ms); });
	say("joinable %d, id differs %d", t.joinable(), t.get_id() != std::this_thread::get_id());
	t.join();
	say("joinable %d", t.joinable());
	try {
		t.join();
	} catch (const std::system_error &e) {
		say("join again: %d", e.code() == std::errc::invalid_argument);
	}
	std::atomic<int> n{ 0 };
	for (int i = 0; i < 20; i++)
		std::thread([&n] {
			std::this_thread::sleep_for(1ms);
			n++;
		}).detach();
	while (n < 20)
		std::this_thread::yield();
	say("detached %d", n.load());
	auto before = std::chrono::steady_clock::now();
	std::this_thread::sleep_until(before + 10ms);
	say("sleep_until %d", std::chrono::steady_clock::now() - before >= 10ms);
	say("cores %d", std::thread::hardware_concurrency() > 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(2);
		std::thread bad([] { throw 1; });
		bad.join();
		_exit(0);
	}
	say("an exception nobody catches: %d", t_reap(pid));
}

int main()
{
	t_begin();
	exceptions();
	locals();
	futures();
	queue();
	cancellation();
	threads();
	return 0;
}

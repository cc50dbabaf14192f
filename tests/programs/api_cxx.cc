/*
 * api_cxx.cc - the C API in a C++ program: exceptions, destructors, thread_local and the standard library's threads, mixed with greenlets
 */
#include <grove.h>

#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static std::string said;

static void say(const std::string &what)
{
	said += (said.empty() ? "" : " ") + what;
}

static void report(const char *what)
{
	std::printf("%s: %s\n", what, said.c_str());
	said.clear();
}

struct Loud {
	std::string name;
	explicit Loud(const std::string &n) : name(n) { say("+" + name); }
	~Loud() { say("-" + name); }
};

/* --- exceptions, while others have theirs ---------------------------------------------------------------------------------------------- */

static void *throws(void *arg)
{
	try {
		Loud local("l" + std::to_string(reinterpret_cast<long>(arg)));
		grove_sleep(GROVE_MS(5 * reinterpret_cast<long>(arg)));
		throw std::runtime_error("e" + std::to_string(reinterpret_cast<long>(arg)));
	} catch (const std::exception &e) {
		grove_sleep(GROVE_MS(20));
		say(e.what());
		try {
			throw;
		} catch (const std::runtime_error &again) {
			say(again.what());
		}
	}
	return nullptr;
}

static void exceptions()
{
	grove_greenlet *g[3];

	for (long i = 0; i < 3; i++)
		g[i] = grove_spawn(throws, reinterpret_cast<void *>(i + 1));
	grove_joinall(g, 3, 0, GROVE_FOREVER, 0);
	for (auto one : g)
		grove_release(one);
	report("exceptions");
}

/* --- thread_local: fresh at birth, destroyed at the end -------------------------------------------------------------------------------------- */

struct Counted {
	int n = 0;
	~Counted() { say("~" + std::to_string(n)); }
};

static thread_local Counted counted;
static thread_local int plain = 5;

static void *counts(void *arg)
{
	say(std::to_string(plain) + "," + std::to_string(counted.n));
	plain = 0;
	counted.n = static_cast<int>(reinterpret_cast<long>(arg));
	return nullptr;
}

static void thread_locals()
{
	for (long i = 1; i <= 3; i++) {
		grove_greenlet *g = grove_spawn(counts, reinterpret_cast<void *>(i));

		grove_join(g, GROVE_FOREVER);
		say("joined");
		grove_release(g);
	}
	report("thread_local");
}

/* --- killed: the frames are unwound ------------------------------------------------------------------------------------------------------------ */

static std::mutex mutex;
static std::condition_variable condition;

static void *waits_in_std(void *)
{
	Loud outer("outer");
	std::unique_lock<std::mutex> lock(mutex);

	condition.wait(lock, [] { return false; });
	return nullptr;
}

static void *waits_in_grove(void *)
{
	Loud outer("outer");

	say(grove_sleep(GROVE_FOREVER) < 0 ? strerrorname_np(errno) : "slept");
	return nullptr;
}

static void kills()
{
	for (auto fn : { waits_in_std, waits_in_grove }) {
		grove_greenlet *g = grove_spawn(fn, nullptr);

		grove_yield();
		say(std::to_string(grove_kill(g, GROVE_FOREVER)));
		say(strerrorname_np(grove_error(g)));
		grove_release(g);
	}
	say(mutex.try_lock() ? "unlocked" : "locked");
	mutex.unlock();
	report("killed");
}

/* --- std::thread beside greenlets: green threads, once patched ------------------------------------------------------------------------------------ */

static int turn, rounds;

static void play(int me)
{
	for (int i = 0; i < 50; i++) {
		std::unique_lock<std::mutex> lock(mutex);

		condition.wait(lock, [me] { return turn == me; });
		turn = !me;
		rounds++;
		condition.notify_all();
	}
}

static void *plays(void *arg)
{
	play(arg != nullptr);
	return nullptr;
}

static void ping_pong()
{
	std::thread thread(play, 0);
	grove_greenlet *g = grove_spawn(plays, &thread);

	thread.join();
	grove_join(g, GROVE_FOREVER);
	grove_release(g);
	say(std::to_string(rounds));
	report("std::thread and greenlet");
}

int main()
{
	exceptions();
	thread_locals();
	if (grove_patch() < 0)
		return 1;
	kills();
	ping_pong();
	return 0;
}

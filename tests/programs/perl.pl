# Interpreter threads: shared data, locks and conditions, queues, results and errors from threads, detached ones.
use strict;
use warnings;
use threads;
use threads::shared;
use Thread::Queue;
use Time::HiRes 'usleep';

my $total : shared = 0;
my @threads = map { my $n = $_; threads->create(sub { for (1 .. 100) { lock($total); $total += $n } return $n * $n }) } 1 .. 20;
my $squares = 0;
$squares += $_->join for @threads;
print "shared $total, results $squares\n";

my ($todo, $done) = (Thread::Queue->new, Thread::Queue->new);
@threads = map { threads->create(sub { while (defined(my $i = $todo->dequeue)) { $done->enqueue($i * 2) } }) } 1 .. 10;
$todo->enqueue(1 .. 1000);
$todo->end;
$_->join for @threads;
my $sum = 0;
$sum += $_ while defined($_ = $done->dequeue_nb);
print "queue $sum\n";

my ($turn, @order) : shared;
$turn = 0;
@threads = map {
	my $me = $_;
	threads->create(sub {
		for my $round (0 .. 9) {
			lock($turn);
			cond_wait($turn) until $turn % 5 == $me;
			push @order, $me;
			$turn++;
			cond_broadcast($turn);
		}
	});
} 0 .. 4;
$_->join for @threads;
print "turns ", join('', @order), "\n";

{
	my $gate : shared = 0;
	lock($gate);
	print "timed out ", (cond_timedwait($gate, time + 1) ? "no" : "yes"), "\n";
}

my $thread = threads->create(sub { die "as planned\n" });
{
	local $SIG{__WARN__} = sub { };
	$thread->join;
}
print "error ", $thread->error;

my $ready : shared = 0;
$thread = threads->create(sub {
	$SIG{KILL} = sub { threads->exit };
	{ lock($ready); $ready = 1; cond_signal($ready) }
	usleep 10000 while 1;
});
{
	lock($ready);
	cond_wait($ready) until $ready;
}
$thread->kill('KILL');
$thread->join;
print "killed\n";

my $slept : shared = 0;
threads->create(sub { usleep 20000; lock($slept); $slept = 1; cond_signal($slept) })->detach;
{
	lock($slept);
	cond_wait($slept) until $slept;
}
print "detached\n";

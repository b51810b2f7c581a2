#include "tools/cli/terminal.h"

#include <fmt/format.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "libstore/forensics/dump_text.h"

namespace rmq::cli {
namespace {

volatile std::sig_atomic_t stop_asked = 0;
volatile std::sig_atomic_t line_asked = 0;
volatile std::sig_atomic_t time_is_up = 0;

constexpr auto kTick = std::chrono::milliseconds(200);
// A bar appears only when a run is long enough to wonder about.
constexpr std::int64_t kQuietMs = 1000;

void on_stop(int) { stop_asked = 1; }
void on_line(int) { line_asked = 1; }
void on_time(int) {
  time_is_up = 1;
  stop_asked = 1;
}

void write_error(std::string_view text) {
  while (!text.empty()) {
    const ssize_t done = ::write(STDERR_FILENO, text.data(), text.size());
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(done));
  }
}

std::int64_t steady_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::string seconds_text(std::int64_t seconds) {
  if (seconds >= 3600) return fmt::format("{}h {:02}m", seconds / 3600, seconds / 60 % 60);
  if (seconds >= 60) return fmt::format("{}m {:02}s", seconds / 60, seconds % 60);
  return fmt::format("{}s", seconds);
}

}  // namespace

void install_signal_handlers() {
  struct sigaction action{};
  action.sa_handler = on_stop;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = on_line;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGUSR1, &action, nullptr);
  action.sa_handler = SIG_IGN;
  action.sa_flags = 0;
  ::sigaction(SIGPIPE, &action, nullptr);
}

bool stop_requested() { return stop_asked != 0; }

void stop_after(std::int64_t milliseconds) {
  // A signal, as the others: it also ends a write that waits for its reader.
  struct sigaction action{};
  action.sa_handler = on_time;
  ::sigaction(SIGALRM, &action, nullptr);
  itimerval timer{};
  timer.it_value.tv_sec = milliseconds / 1000;
  timer.it_value.tv_usec = milliseconds % 1000 * 1000;
  ::setitimer(ITIMER_REAL, &timer, nullptr);
}

bool stopped_by_time() { return time_is_up != 0; }

std::int64_t RealWaiter::now_ms() const { return steady_ms(); }

void RealWaiter::wait_ms(std::int64_t milliseconds) {
  // In pieces: a signal may have come to another thread.
  for (const std::int64_t until = steady_ms() + milliseconds; !stop_requested() && steady_ms() < until;) {
    std::this_thread::sleep_for(std::min(std::chrono::milliseconds(until - steady_ms()), kTick));
  }
}

bool StandardOutput::write(std::string_view text) {
  bool held_up = false;  // the reader is slow: write(2) waited
  bool stopping = false;
  while (!text.empty()) {
    if (held_up && !stopping && stop_requested()) {
      // No reader shall meet half a line: what was begun is finished, and nothing else is.
      stopping = true;
      text = text.substr(0, inside_line_ ? text.find('\n') + 1 : 0);
      continue;
    }
    const ssize_t done = ::write(STDOUT_FILENO, text.data(), text.size());
    if (done < 0 && errno == EINTR) {
      held_up = true;
      continue;
    }
    if (done < 0) {
      broken_pipe_ = errno == EPIPE;
      if (!broken_pipe_) fault_ = std::string("writing the output: ") + std::strerror(errno);
      return false;
    }
    if (done > 0) inside_line_ = text[static_cast<std::size_t>(done) - 1] != '\n';
    text.remove_prefix(static_cast<std::size_t>(done));
    held_up = true;
  }
  return !stopping;
}

Progress::Progress(std::string program, When when, std::int64_t max_rate)
    : program_(std::move(program)),
      bar_(when == When::always || (when == When::automatic && ::isatty(STDERR_FILENO) == 1)),
      max_rate_(max_rate),
      started_ms_(steady_ms()) {
  // Before the thread: the signals stay with the thread that reads and writes.
  sigset_t blocked;
  sigset_t before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGINT);
  ::sigaddset(&blocked, SIGTERM);
  ::sigaddset(&blocked, SIGALRM);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  thread_ = std::thread([this] { watch(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Progress::~Progress() { finish(); }

void Progress::expect(std::int64_t bytes) { expected_.fetch_add(bytes, std::memory_order_relaxed); }

void Progress::advance(std::int64_t bytes) {
  const std::int64_t done = done_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  if (max_rate_ <= 0) return;
  const auto due_ms = started_ms_ + static_cast<std::int64_t>(static_cast<double>(done) * 1000.0 /
                                                              static_cast<double>(max_rate_));
  std::unique_lock lock(mutex_);
  while (!finished_ && !stop_requested() && steady_ms() < due_ms) {
    changed_.wait_for(lock, std::min(std::chrono::milliseconds(due_ms - steady_ms()), kTick));
  }
}

void Progress::finish() {
  {
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    finished_ = true;
  }
  changed_.notify_all();
  thread_.join();
  if (shown_) write_error("\r\x1b[K");
}

void Progress::watch() {
  std::unique_lock lock(mutex_);
  while (!finished_) {
    changed_.wait_for(lock, kTick);
    if (line_asked != 0) {
      line_asked = 0;
      write_error((shown_ ? "\r\x1b[K" : "") + program_ + ": " + line() + "\n");
    }
    if (!bar_ || finished_ || steady_ms() - started_ms_ < kQuietMs) continue;
    shown_ = true;
    write_error("\r" + line() + "\x1b[K");
  }
}

std::string Progress::line() const {
  const std::int64_t done = done_.load(std::memory_order_relaxed);
  const std::int64_t expected = expected_.load(std::memory_order_relaxed);
  const std::int64_t elapsed = std::max<std::int64_t>(steady_ms() - started_ms_, 1);
  const auto rate =
      static_cast<std::int64_t>(static_cast<double>(done) * 1000.0 / static_cast<double>(elapsed));
  std::string text = forensics::size_text(done);
  if (expected > 0) {
    text += fmt::format(" of {} ({}%)", forensics::size_text(expected),
                        std::min<std::int64_t>(done * 100 / expected, 100));
  }
  text += fmt::format(", {}/s", forensics::size_text(rate));
  if (expected > done && rate > 0) text += ", " + seconds_text((expected - done) / rate + 1) + " left";
  return text;
}

void complain(std::string_view program, std::string_view sentence) {
  // Names from a store or a command line must not steer the terminal.
  std::string text = fmt::format("{}: ", program);
  forensics::append_visible(text, sentence);
  write_error(text + '\n');
}

bool wants_color(When when, int descriptor) {
  if (when != When::automatic) return when == When::always;
  const char* refused = std::getenv("NO_COLOR");
  return (refused == nullptr || *refused == '\0') && ::isatty(descriptor) == 1;
}

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace rmq::cli

// The process's ends: standard output, signals, the progress line.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "libstore/base/waiter.h"
#include "libstore/forensics/dump.h"

namespace rmq::cli {

enum class When { automatic, always, never };

// SIGINT and SIGTERM ask to stop (a second one ends the process), SIGUSR1 asks for a progress line, SIGPIPE
// is ignored so that writing fails instead.
void install_signal_handlers();
[[nodiscard]] bool stop_requested();
// From now on in so many milliseconds it is as if somebody asked to stop (--max-duration). After
// install_signal_handlers.
void stop_after(std::int64_t milliseconds);
[[nodiscard]] bool stopped_by_time();

// Waits in real time, and not once a stop was asked for.
class RealWaiter final : public Waiter {
 public:
  [[nodiscard]] std::int64_t now_ms() const override;
  void wait_ms(std::int64_t milliseconds) override;
};

// Standard output by write(2).
class StandardOutput final : public forensics::ByteSink {
 public:
  bool write(std::string_view text) override;
  [[nodiscard]] bool broken_pipe() const { return broken_pipe_; }
  // What went wrong besides a broken pipe; empty when nothing did.
  [[nodiscard]] const std::string& fault() const { return fault_; }

 private:
  bool broken_pipe_ = false;
  bool inside_line_ = false;  // the last byte written ended no line
  std::string fault_;
};

// Counts bytes, holds the rate, and shows how far a run is on standard error.
class Progress final : public forensics::RunObserver {
 public:
  // `max_rate` in bytes a second, 0 = as fast as it goes.
  Progress(std::string program, When when, std::int64_t max_rate);
  ~Progress() override;
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void expect(std::int64_t bytes) override;
  void advance(std::int64_t bytes) override;
  [[nodiscard]] bool cancelled() const override { return stop_requested(); }

  // Ends the bar, so that other text may follow.
  void finish();

 private:
  void watch();
  [[nodiscard]] std::string line() const;

  std::string program_;
  bool bar_;
  std::int64_t max_rate_;
  std::int64_t started_ms_;
  std::atomic<std::int64_t> done_ = 0;
  std::atomic<std::int64_t> expected_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool finished_ = false;
  bool shown_ = false;
  std::thread thread_;
};

// "name: sentence" on standard error.
void complain(std::string_view program, std::string_view sentence);

[[nodiscard]] bool wants_color(When when, int descriptor);
[[nodiscard]] std::int64_t now_ms();

}  // namespace rmq::cli

#include "libstore/io/rate_limited_files.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace rmq::io {
namespace {

// What an idle time may be made up for at once.
constexpr double kBurstMs = 100;

}  // namespace

class RateLimitedFileSystem::File final : public ReadFile {
 public:
  File(const RateLimitedFileSystem& limit, std::unique_ptr<ReadFile> file)
      : limit_(limit), file_(std::move(file)) {}

  Result<std::size_t> read_at(std::int64_t position, std::span<std::byte> out) const override {
    auto got = file_->read_at(position, out);
    if (got) limit_.pay(static_cast<std::int64_t>(*got));
    return got;
  }
  std::int64_t size() const override { return file_->size(); }
  std::int64_t next_data(std::int64_t position) const override { return file_->next_data(position); }
  std::int64_t next_hole(std::int64_t position) const override { return file_->next_hole(position); }

 private:
  const RateLimitedFileSystem& limit_;
  std::unique_ptr<ReadFile> file_;
};

RateLimitedFileSystem::RateLimitedFileSystem(const ReadFileSystem& files, std::int64_t bytes_a_second,
                                             Waiter& waiter)
    : files_(files),
      bytes_a_millisecond_(static_cast<double>(bytes_a_second) / 1000.0),
      waiter_(waiter),
      paid_until_ms_(static_cast<double>(waiter.now_ms())) {}

Result<std::unique_ptr<ReadFile>> RateLimitedFileSystem::open(const std::string& path) const {
  auto file = files_.open(path);
  if (!file) return file;
  return std::unique_ptr<ReadFile>(new File(*this, *std::move(file)));
}

Result<std::vector<DirectoryEntry>> RateLimitedFileSystem::list(const std::string& directory) const {
  return files_.list(directory);
}

Result<DirectoryEntry> RateLimitedFileSystem::stat(const std::string& path) const {
  return files_.stat(path);
}

void RateLimitedFileSystem::pay(std::int64_t bytes) const {
  const auto now = static_cast<double>(waiter_.now_ms());
  double due = 0;
  {
    const std::lock_guard lock(mutex_);
    paid_until_ms_ =
        std::max(paid_until_ms_, now - kBurstMs) + static_cast<double>(bytes) / bytes_a_millisecond_;
    due = paid_until_ms_;
  }
  if (due > now) waiter_.wait_ms(static_cast<std::int64_t>(std::ceil(due - now)));
}

}  // namespace rmq::io

#include "libstore/preflight/file_pool.h"

#include <algorithm>

namespace rmq::preflight {
namespace {

constexpr std::size_t kMaxOpenFiles = 128;
constexpr std::int64_t kReportEvery = std::int64_t{4} << 20;

}  // namespace

FilePool::FilePool(const io::ReadFileSystem& files, const PreflightOptions& options)
    : files_(files), options_(options) {}

const io::ReadFile* FilePool::open(const std::string& path) {
  if (const auto known = by_path_.find(path); known != by_path_.end()) {
    recent_.splice(recent_.begin(), recent_, known->second);
    return recent_.front().file.get();
  }
  auto file = files_.open(path);
  if (!file) {
    fault_ = std::move(file).error();
    return nullptr;
  }
  if (recent_.size() >= kMaxOpenFiles) {
    by_path_.erase(recent_.back().path);
    recent_.pop_back();
  }
  recent_.push_front({path, *std::move(file)});
  by_path_.emplace(recent_.front().path, recent_.begin());
  return recent_.front().file.get();
}

void FilePool::read(const std::string& path, std::int64_t position, std::span<std::byte> out) {
  std::size_t got = 0;
  if (!fault_) {
    if (const io::ReadFile* file = open(path)) {
      auto result = file->read_at(position, out);
      if (result) {
        got = *result;
      } else {
        fault_ = std::move(result).error();
      }
    }
  }
  std::ranges::fill(out.subspan(got), std::byte{0});
  account(static_cast<std::int64_t>(out.size()));
}

bool FilePool::has_data(const std::string& path, std::int64_t position, std::int64_t length) {
  if (path.empty() || fault_) return false;
  const io::ReadFile* file = open(path);
  return file != nullptr && file->next_data(position) < std::min(position + length, file->size());
}

void FilePool::account(std::int64_t bytes) {
  unreported_ += bytes;
  if (unreported_ >= kReportEvery) report();
}

void FilePool::report() {
  if (options_.progress && unreported_ != 0) options_.progress(unreported_);
  unreported_ = 0;
  if (!fault_ && options_.cancelled && options_.cancelled()) {
    fault_ = Error{ErrorCode::cancelled, 0, "preflight was cancelled"};
  }
}

std::span<const std::byte> BlockWindow::view(const std::string& path, std::int64_t position,
                                             std::size_t count, std::int64_t limit) {
  const std::int64_t end = position + static_cast<std::int64_t>(count);
  const bool inside = size_ != 0 && position >= position_ &&
                      end <= position_ + static_cast<std::int64_t>(size_) && path == path_;
  if (!inside) {
    const std::int64_t ahead = std::max(end, std::min(position + static_cast<std::int64_t>(block_), limit));
    path_ = path;
    position_ = position;
    size_ = static_cast<std::size_t>(ahead - position);
    if (bytes_.size() < size_) bytes_.resize(size_);
    pool_.read(path_, position_, std::span(bytes_).first(size_));
  }
  return std::span<const std::byte>(bytes_).first(size_).subspan(
      static_cast<std::size_t>(position - position_));
}

}  // namespace rmq::preflight

#include "libstore/recovery/apply.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace rmq::recovery {
namespace {

constexpr std::int64_t kPiece = 1 << 20;

std::string flat_name(std::string shown) {
  std::ranges::replace(shown, '/', '_');
  return shown;
}

Status zero(io::FileSystem& files, const std::string& copies, const ZeroRange& step) {
  RMQ_TRY(file, files.open_for_write(step.path));
  std::vector<std::byte> bytes;
  for (std::int64_t at = step.from; at < step.to; at += kPiece) {
    bytes.resize(static_cast<std::size_t>(std::min(kPiece, step.to - at)));
    RMQ_TRY(got, file->read_at(at, bytes));
    bytes.resize(got);
    RMQ_CHECK(files.replace(io::join_path(copies, fmt::format("{}@{}", flat_name(step.shown), at)), bytes));
    std::ranges::fill(bytes, std::byte{0});
    RMQ_CHECK(file->write_at(at, bytes));
  }
  return file->sync();
}

}  // namespace

Status apply(io::FileSystem& files, const std::string& root, const Plan& plan, std::int64_t stamp) {
  if (plan.changes_nothing()) return {};
  const std::string copies = io::join_path(io::join_path(root, kLostAndFound), std::to_string(stamp));
  RMQ_CHECK(files.make_directories(copies));
  for (const ZeroRange& step : plan.zero) RMQ_CHECK(zero(files, copies, step));
  for (const MoveAside& step : plan.move) {
    RMQ_CHECK(files.rename(step.path, io::join_path(copies, flat_name(step.shown))));
  }
  return {};
}

}  // namespace rmq::recovery

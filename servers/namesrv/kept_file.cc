#include "servers/namesrv/kept_file.h"

#include "libstore/bytes/big_endian.h"

namespace rmq::namesrv {
namespace {

constexpr std::int64_t kMostBytes = std::int64_t{64} << 20;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace

Result<std::optional<std::string>> kept_text(const io::FileSystem& files, const std::string& path) {
  auto bytes = io::read_all(files, path, kMostBytes);
  if (bytes) return std::optional(std::string(as_text(*bytes)));
  if (bytes.error().code == ErrorCode::not_found) return std::optional<std::string>();
  return std::move(bytes).error();
}

Status keep_text(io::FileSystem& files, const std::string& path, std::string_view text) {
  RMQ_CHECK(files.make_directories(io::parent_of(path)));
  RMQ_TRY(before, kept_text(files, path));
  if (before) RMQ_CHECK(files.replace(path + ".bak", bytes_of(*before)));
  return files.replace(path, bytes_of(text));
}

}  // namespace rmq::namesrv

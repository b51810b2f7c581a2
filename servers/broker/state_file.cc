#include "servers/broker/state_file.h"

#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace rmq::broker {
namespace {

constexpr std::int64_t kMostBytes = std::int64_t{64} << 20;  // json::ReadLimits

Result<std::optional<std::string>> read_text(const io::FileSystem& files, const std::string& path) {
  auto bytes = io::read_all(files, path, kMostBytes);
  if (!bytes) {
    if (bytes.error().code == ErrorCode::not_found) return std::optional<std::string>();
    return std::move(bytes).error();
  }
  std::string text(bytes->size(), '\0');
  std::memcpy(text.data(), bytes->data(), bytes->size());
  return std::optional(std::move(text));
}

}  // namespace

StateFile::StateFile(io::FileSystem& files, std::string directory, format::ConfigFileKind kind)
    : files_(files),
      file_(format::config_file(kind)),
      directory_(std::move(directory)),
      path_(io::join_path(directory_, file_.name)) {}

Result<json::Value> StateFile::load() {
  RMQ_TRY(text, read_text(files_, path_));
  RMQ_TRY(bak, read_text(files_, path_ + ".bak"));
  format::LoadedConfig loaded = format::load_config(file_, text, bak);
  if (!loaded.succeeds) {
    return wrong_use(path_ + ": " + loaded.json_problem + "; " + path_ + ".bak: " + loaded.bak_problem);
  }
  if (loaded.from != format::LoadedFrom::json && text && !text->empty()) problem_ = loaded.json_problem;
  return loaded.value ? std::move(*loaded.value) : json::Value();
}

Status StateFile::save(const json::Value& value) {
  const std::string text = format::write_config(file_, value);
  RMQ_TRY(before, read_text(files_, path_));
  RMQ_CHECK(files_.make_directories(directory_));
  const auto bytes = [](const std::string& of) { return std::as_bytes(std::span(of)); };
  if (before) RMQ_CHECK(files_.replace(path_ + ".bak", bytes(*before)));
  return files_.replace(path_, bytes(text));
}

}  // namespace rmq::broker

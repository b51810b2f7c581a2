#include "libstore/recovery/store_listing.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

#include "libstore/base/status.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/codec/sha256.h"
#include "libstore/format/store_lock.h"
#include "libstore/json/json_value.h"
#include "libstore/json/json_writer.h"
#include "libstore/recovery/undo_manifest.h"

namespace rmq::recovery {
namespace {

constexpr int kDeepest = 16;  // directories below each other in a store

Status list_below(const io::ReadFileSystem& files, const std::string& directory, const std::string& shown,
                  int depth, StoreListing& listing) {
  RMQ_TRY(entries, files.list(directory));
  for (const io::DirectoryEntry& entry : entries) {
    if (shown.empty() && (entry.name == kLostAndFound || entry.name == format::kStoreLockFileName)) continue;
    if (entry.name == kLostAndFoundElsewhere) continue;
    const std::string path = io::join_path(directory, entry.name);
    const std::string relative = shown.empty() ? entry.name : io::join_path(shown, entry.name);
    if (entry.kind == io::EntryKind::directory) {
      if (depth >= kDeepest) return wrong_use(path + ": directories lie too deep");
      RMQ_CHECK(list_below(files, path, relative, depth + 1, listing));
    } else if (entry.kind == io::EntryKind::file) {
      listing.files[relative] = {entry.size, entry.modified_ms};
    }
  }
  return {};
}

}  // namespace

std::string lost_and_found_directory(const io::ReadFileSystem& files, const std::string& root,
                                     std::int64_t now_ms) {
  const std::int64_t seconds = now_ms / 1000;
  const std::string time =
      fmt::format("{:%Y%m%dT%H%M%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(seconds)), now_ms % 1000);
  const std::string first = io::join_path(io::join_path(root, kLostAndFound), time);
  std::string directory = first;
  for (int number = 2; files.stat(directory); ++number) directory = fmt::format("{}-{}", first, number);
  return directory;
}

std::string StoreListing::as_json() const {
  json::JsonLine out;
  for (const auto& [path, file] : files) {
    out.begin_object();
    out.field("path", path);
    out.field("size", file.size);
    out.field("modifiedMs", file.modified_ms);
    out.end_object();
    out.end_line();
  }
  return std::string(out.text());
}

std::optional<StoreListing> StoreListing::from_json(std::string_view text) {
  StoreListing listing;
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    const auto line = json::parse(text.substr(0, end));
    text.remove_prefix(end + 1);
    if (!line) return std::nullopt;
    const json::Value* const path = line->find("path");
    const json::Value* const size = line->find("size");
    const json::Value* const modified = line->find("modifiedMs");
    if (path == nullptr || size == nullptr || modified == nullptr || path->if_string() == nullptr)
      return std::nullopt;
    listing.files[*path->if_string()] = {size->as_int64().value_or(-1), modified->as_int64().value_or(-1)};
  }
  return listing;
}

std::string StoreListing::hash() const { return codec::sha256_hex(as_bytes(as_json())); }

Result<StoreListing> list_store(const io::ReadFileSystem& files, const std::string& root,
                                const std::vector<std::string>& others) {
  StoreListing listing;
  RMQ_CHECK(list_below(files, root, "", 0, listing));
  for (const std::string& other : others) {
    if (is_below(other, root)) continue;
    if (Status listed = list_below(files, other, other, 0, listing);
        !listed && listed.error().code != ErrorCode::not_found)
      return listed.error();
  }
  return listing;
}

}  // namespace rmq::recovery

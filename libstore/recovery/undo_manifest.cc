#include "libstore/recovery/undo_manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "libstore/bytes/big_endian.h"
#include "libstore/json/json_value.h"
#include "libstore/recovery/store_listing.h"

namespace rmq::recovery {
namespace {

std::string string_of(const json::Value& line, std::string_view name) {
  const json::Value* const value = line.find(name);
  const std::string* const text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string() : *text;
}

std::int64_t number_of(const json::Value& line, std::string_view name) {
  const json::Value* const value = line.find(name);
  return value == nullptr ? -1 : value->as_int64().value_or(-1);
}

std::vector<std::string> strings_of(const json::Value& line, std::string_view name) {
  std::vector<std::string> texts;
  const json::Value* const value = line.find(name);
  const json::Array* const array = value == nullptr ? nullptr : value->if_array();
  if (array == nullptr) return texts;
  for (const json::Value& item : array->items)
    if (const std::string* text = item.if_string()) texts.push_back(*text);
  return texts;
}

bool goes_up(std::string_view path) {
  while (true) {
    const std::size_t slash = path.find('/');
    if (path.substr(0, slash) == "..") return true;
    if (slash == std::string_view::npos) return false;
    path.remove_prefix(slash + 1);
  }
}

// Where the store lies now: with its lost+found, or where it was.
std::string root_now(const std::string& directory, const std::string& was) {
  const std::string above = io::parent_of(directory);
  return directory.starts_with('/') && io::name_of(above) == kLostAndFound ? io::parent_of(above) : was;
}

// Absolute; nothing where it leads out of the store and the directory of originals.
std::optional<std::string> place_of(const UndoManifest& manifest, const std::string& directory,
                                    const std::string& named) {
  if (named.empty() || goes_up(named)) return std::nullopt;
  if (!named.starts_with('/')) return io::join_path(manifest.root, named);
  const auto is_in = [&](const std::string& place) { return named == place || is_below(named, place); };
  const bool known = is_in(directory) || std::ranges::any_of(manifest.others, is_in) ||
                     std::ranges::any_of(manifest.others, [&](const std::string& other) {
                       return is_in(io::join_path(io::parent_of(other), kLostAndFoundElsewhere));
                     });
  return known ? std::optional(named) : std::nullopt;
}

}  // namespace

Error damaged_manifest(const std::string& directory, std::string_view what) {
  return wrong_use(fmt::format("{}/{}: {}", directory, kUndoManifest, what));
}

Result<UndoManifest> read_manifest(const io::ReadFileSystem& files, const std::string& directory) {
  const std::string path = io::join_path(directory, kUndoManifest);
  RMQ_TRY(bytes, io::read_all(files, path, kLargestUndoManifest));
  UndoManifest manifest;
  std::string_view rest = as_text(bytes);
  // A line that was torn by a kill has no end: what it was to tell had not begun.
  for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    const auto line = json::parse(rest.substr(0, end));
    rest.remove_prefix(end + 1);
    manifest.size += static_cast<std::int64_t>(end) + 1;
    if (!line) return damaged_manifest(directory, "a line is damaged: " + line.error().message());
    UndoEntry entry;
    entry.kind = string_of(*line, "undo");
    if (manifest.root.empty()) {
      if (entry.kind != "begin" || number_of(*line, "version") != kUndoVersion)
        return damaged_manifest(directory, "no manifest of this version");
      manifest.root = root_now(directory, string_of(*line, "root"));
      if (!manifest.root.starts_with('/')) return damaged_manifest(directory, "no store is named");
      manifest.others = strings_of(*line, "others");
      for (const std::string& other : manifest.others) {
        const auto place = files.stat(other);
        if (!other.starts_with('/') || goes_up(other) || (place && place->kind != io::EntryKind::directory))
          return damaged_manifest(directory, other + " is no directory of a store");
      }
      manifest.purpose = string_of(*line, "purpose");
      manifest.plan = string_of(*line, "plan");
      manifest.made_directories = strings_of(*line, "madeDirectories");
      for (const std::string& made : strings_of(*line, "madeBefore")) {
        const auto place = place_of(manifest, directory, made);
        if (!place) return damaged_manifest(directory, "a path leads out of the store");
        entry.kind = "made";
        entry.path = *place;
        manifest.entries.push_back(entry);
      }
      continue;
    }
    if (entry.kind == "end") {
      manifest.after = string_of(*line, "after");
      continue;
    }
    if (entry.kind == "undoing") {
      const std::int64_t number = number_of(*line, "entry");
      if (number < 0 || number >= std::ssize(manifest.entries))
        return damaged_manifest(directory, "no such entry");
      manifest.undoing = static_cast<std::size_t>(number);
      continue;
    }
    const auto place = place_of(manifest, directory, string_of(*line, "path"));
    if (!place) return damaged_manifest(directory, "a path leads out of the store");
    entry.path = *place;
    if (entry.kind == "moved") {
      const auto to = place_of(manifest, directory, string_of(*line, "to"));
      if (!to) return damaged_manifest(directory, "a path leads out of the store");
      entry.to = *to;
    }
    entry.saved = string_of(*line, "saved");
    if (entry.saved.find('/') != std::string::npos)
      return damaged_manifest(directory, "a saved file lies elsewhere");
    entry.crc = static_cast<std::uint32_t>(std::strtoul(string_of(*line, "crc32").c_str(), nullptr, 16));
    entry.offset = number_of(*line, "offset");
    entry.length = number_of(*line, "length");
    entry.modified_ms = number_of(*line, "modifiedMs");
    const json::Value* const is_directory = line->find("directory");
    entry.directory = is_directory != nullptr && is_directory->as_bool().value_or(false);
    manifest.entries.push_back(std::move(entry));
  }
  if (manifest.root.empty()) return damaged_manifest(directory, "it is empty");
  return manifest;
}

}  // namespace rmq::recovery

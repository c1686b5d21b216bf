# Shared by the scripts of this folder: `. Scripts/lib.sh`, then `nstm_setup`. Runs on bash 3.2, which macOS has.

NSTM_SWIFT_MAJOR=6
NSTM_SWIFT_MINOR=3

nstm_say() { printf '==> %s\n' "$*"; }
nstm_fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Checks the requirements of the build, and installs what a package manager can install.
nstm_setup() {
    nstm_say "checking the tools"
    # Checks without root access come first: without Swift, other packages are useless.
    nstm_require_swift
    nstm_require_libraries
}

nstm_require_swift() {
    local folder version major minor
    if ! command -v swift >/dev/null 2>&1; then
        # The location used by the official installers, for shells that have not read their profile.
        for folder in "$HOME/.swiftly/bin" "$HOME/.local/share/swiftly/bin" /opt/swift/usr/bin /usr/local/swift/usr/bin; do
            if [ -x "$folder/swift" ]; then
                export PATH="$folder:$PATH"
                break
            fi
        done
    fi
    command -v swift >/dev/null 2>&1 ||
        nstm_fail "Swift is not installed. Get version $NSTM_SWIFT_MAJOR.$NSTM_SWIFT_MINOR or later from" \
            "https://www.swift.org/install and run this again."
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p' | head -n 1)
    [ -n "$version" ] || nstm_fail "'swift --version' does not work; reinstall Swift from https://www.swift.org/install"
    major=${version%%.*}
    minor=${version#*.}
    if [ "$major" -lt "$NSTM_SWIFT_MAJOR" ] ||
        { [ "$major" -eq "$NSTM_SWIFT_MAJOR" ] && [ "$minor" -lt "$NSTM_SWIFT_MINOR" ]; }; then
        nstm_fail "Swift $version is too old. Get version $NSTM_SWIFT_MAJOR.$NSTM_SWIFT_MINOR or later from" \
            "https://www.swift.org/install and run this again."
    fi
    nstm_say "Swift $version"
}

# The C compiler that `swift build` uses.
nstm_clang() {
    local swift
    if [ "$(uname -s)" = Darwin ]; then
        xcrun --find clang
        return
    fi
    swift=$(command -v swift)
    for swift in "$swift" "$(readlink -f "$swift")"; do
        if [ -x "$(dirname "$swift")/clang" ]; then
            printf '%s' "$(dirname "$swift")/clang"
            return
        fi
    done
    nstm_fail "there is no clang beside $(command -v swift)"
}

nstm_require_libraries() {
    case "$(uname -s)" in
    Darwin) nstm_brew_paths ;;
    esac
    local missing
    missing=$(nstm_missing)
    if [ -n "$missing" ]; then
        nstm_say "missing: $missing"
        nstm_install "$missing"
        missing=$(nstm_missing)
        [ -z "$missing" ] || nstm_fail "still missing after the installation: $missing"
    fi
    nstm_say "OpenBLAS $(pkg-config --modversion openblas), HDF5 $(pkg-config --modversion hdf5)," \
        "KISS FFT $(pkg-config --modversion kissfft-float)"
}

# The missing packages, by their names in the available package manager.
nstm_missing() {
    local list=""
    if [ "$(uname -s)" = Darwin ]; then
        command -v pkg-config >/dev/null 2>&1 || list="$list pkg-config"
        pkg-config --exists openblas 2>/dev/null || list="$list openblas"
        pkg-config --exists hdf5 2>/dev/null || list="$list hdf5"
        pkg-config --exists kissfft-float 2>/dev/null || list="$list kissfft"
    else
        command -v git >/dev/null 2>&1 || list="$list git"
        command -v pkg-config >/dev/null 2>&1 || list="$list pkg-config"
        pkg-config --exists openblas 2>/dev/null || list="$list libopenblas-dev"
        pkg-config --exists hdf5 2>/dev/null || list="$list libhdf5-dev"
        pkg-config --exists kissfft-float 2>/dev/null || list="$list libkissfft-dev"
        pkg-config --exists zlib 2>/dev/null || list="$list zlib1g-dev"
        pkg-config --exists libcrypto 2>/dev/null || list="$list libssl-dev"
        # KISS FFT's template is C++. g++ installs matching headers of the C++ library.
        ls /usr/include/c++/*/vector >/dev/null 2>&1 || list="$list g++"
    fi
    printf '%s' "${list# }"
}

nstm_install() {
    local packages=$1 as_root=""
    if [ "$(uname -s)" = Darwin ]; then
        command -v brew >/dev/null 2>&1 ||
            nstm_fail "these packages are needed: $packages. Install Homebrew from https://brew.sh, then run this again."
        nstm_say "brew install $packages"
        # shellcheck disable=SC2086  # one word for each package
        brew install $packages || nstm_fail "brew could not install: $packages"
        nstm_brew_paths
        return
    fi
    if ! command -v apt-get >/dev/null 2>&1; then
        nstm_fail "there is no apt-get here. Install what Debian calls '$packages' (OpenBLAS, HDF5, KISS FFT, OpenSSL and zlib with headers" \
            "and pkg-config files, pkg-config, git, a C++ library) with your package manager, then run this again."
    fi
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null 2>&1 ||
            nstm_fail "this needs root, and there is no sudo. As root run: apt-get update && apt-get install $packages"
        as_root=sudo
    fi
    nstm_say "apt-get install $packages"
    # A failed update may only mean that one list is unavailable; the installation fails if it is needed.
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq ||
        nstm_say "apt-get update failed; trying with the lists there are"
    # shellcheck disable=SC2086  # one word for each package
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null ||
        nstm_fail "apt-get could not install: $packages"
}

# Homebrew does not link openblas into its default folders, because macOS has its own BLAS.
nstm_brew_paths() {
    local name prefix
    command -v brew >/dev/null 2>&1 || return 0
    for name in openblas hdf5 kissfft; do
        prefix=$(brew --prefix "$name" 2>/dev/null) || continue
        if [ -d "$prefix/lib/pkgconfig" ]; then
            export PKG_CONFIG_PATH="$prefix/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
        fi
    done
}

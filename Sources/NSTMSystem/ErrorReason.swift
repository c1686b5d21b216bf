import Foundation

extension Error {
    /// The reason of an error in plain words: the system's text for the `errno` behind an error of Foundation, otherwise the
    /// error's own text.
    ///
    /// Foundation's `localizedDescription` often has only a domain and a number.
    package var plainReason: String {
        if let code = systemErrorCode { return String(cString: strerror(code)) }
        // An error of Swift describes itself.
        guard self is any CustomNSError || type(of: self) is NSError.Type else { return "\(self)" }
        let error = self as NSError
        if let text = error.userInfo[NSLocalizedDescriptionKey] as? String, !text.isEmpty, !text.contains(error.domain) {
            return text
        }
        let known = error.domain == NSCocoaErrorDomain ? CocoaError.Code(rawValue: error.code).plainReason : nil
        return known ?? "the system gives no reason (error \(error.code))"
    }

    /// The `errno` of an error of Foundation or of its underlying errors; nil when there is none.
    package var systemErrorCode: Int32? {
        var error = self as NSError
        while error.domain != NSPOSIXErrorDomain {
            guard let cause = error.userInfo[NSUnderlyingErrorKey] as? any Error else { return nil }
            error = cause as NSError
        }
        return Int32(exactly: error.code)
    }
}

extension CocoaError.Code {
    /// The reason for the codes of file operations; nil for all other codes.
    fileprivate var plainReason: String? {
        switch self {
        case .fileNoSuchFile, .fileReadNoSuchFile: "no such file or folder"
        case .fileReadNoPermission, .fileWriteNoPermission: "permission denied"
        case .fileWriteFileExists: "a file of this name exists"
        case .fileReadInvalidFileName, .fileWriteInvalidFileName: "the file name is not valid"
        case .fileWriteOutOfSpace: "no space left on the volume"
        case .fileWriteVolumeReadOnly: "the volume is read-only"
        case .fileReadTooLarge: "the file is too large"
        case .fileReadCorruptFile: "the file is damaged"
        case .fileLocking: "the file is locked"
        case .fileReadUnsupportedScheme, .fileWriteUnsupportedScheme: "the URL is not that of a file"
        default: nil
        }
    }
}
